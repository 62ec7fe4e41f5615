{{/* TLS of the engine: the Secret with its certificate, and how the engine is called. */}}

{{- define "vllm.tlsSecret" -}}
{{- .Values.tls.secretName | default (ternary (printf "%s-tls" (include "vllm.fullname" . | trunc 59)) "" (not (empty .Values.tls.issuer.name))) -}}
{{- end }}

{{- define "vllm.scheme" -}}
{{- ternary "https" "http" (not (empty (include "vllm.tlsSecret" .))) -}}
{{- end }}

{{- define "vllm.probe" -}}
httpGet: {path: /health, port: http{{ if include "vllm.tlsSecret" . }}, scheme: HTTPS{{ end }}}
{{- end }}
