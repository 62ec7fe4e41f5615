{{/* Times in seconds. Start: design load time × 2, for the probe and for vLLM alike. End: preStop + drain + 5. */}}

{{- define "vllm.startupSeconds" -}}
{{- mul 2 (int64 .Values.probes.loadSeconds) -}}
{{- end }}

{{- define "vllm.drainSeconds" -}}
{{- add (int64 .Values.drain.preStopSeconds) (int64 .Values.drain.shutdownTimeoutSeconds) 5 -}}
{{- end }}

{{- define "vllm.graceSeconds" -}}
{{- if .Values.drain.terminationGracePeriodSeconds -}}
{{- int64 .Values.drain.terminationGracePeriodSeconds -}}
{{- else -}}
{{- include "vllm.drainSeconds" . -}}
{{- end -}}
{{- end }}
