{{/* Names, labels and the policy's text. One place, so that selectors and policies agree. */}}

{{- define "gateway.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | replace "." "-" -}}
{{- end }}

{{- define "gateway.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "gateway.fullname" .) -}}
{{- end }}

{{- define "gateway.hasAwsSecrets" -}}
{{- if or .Values.awsSecrets.clientKeys .Values.awsSecrets.providerKeys }}yes{{ end -}}
{{- end }}

{{- define "gateway.image" -}}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* Labels that never change in the life of a release: a Deployment's selector is immutable. */}}
{{- define "gateway.selectorLabels" -}}
app.kubernetes.io/name: gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selectorLabels" . }}
app.kubernetes.io/part-of: spillway
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The document as text: a text stays as it is, an object becomes JSON with sorted keys. */}}
{{- define "gateway.policyText" -}}
{{- if kindIs "string" .Values.policy.document -}}
{{- .Values.policy.document -}}
{{- else if .Values.policy.document -}}
{{- toPrettyJson .Values.policy.document -}}
{{- end -}}
{{- end }}

{{- define "gateway.policySha256" -}}
{{- include "gateway.policyText" . | sha256sum -}}
{{- end }}

{{/*
A document that rolls the pods has a ConfigMap of its own: while new pods refuse it, old ones that must start again find
theirs. One that running gateways take up keeps its name, as a pod cannot change what it mounts.
*/}}
{{- define "gateway.policyName" -}}
{{- include "gateway.fullname" . }}-policy{{ if eq .Values.policy.onChange "restart" }}-{{ include "gateway.policySha256" . | trunc 10 }}{{ end -}}
{{- end }}

{{/* The volume with the authority of the pools: one entry alone, as a Secret of cert-manager holds a key beside it. */}}
{{- define "gateway.poolTrust" -}}
{{- $tls := .Values.poolTls -}}
{{- if $tls.secretName -}}
secret: {secretName: {{ $tls.secretName }}, defaultMode: 0440, items: [{key: {{ $tls.key }}, path: {{ $tls.key }}}]}
{{- else if $tls.configMapName -}}
configMap: {name: {{ $tls.configMapName }}, items: [{key: {{ $tls.key }}, path: {{ $tls.key }}}]}
{{- end -}}
{{- end }}

{{- define "gateway.graceSeconds" -}}
{{- add (int64 .Values.drain.preStopSeconds) (int64 .Values.drain.timeoutSeconds) 5 -}}
{{- end }}

{{/* Outcomes of a request for which no client is to blame. */}}
{{- define "gateway.failures" -}}
cut|deadline_exceeded|first_event_late|internal_error|no_backend|overloaded|stream_cut|stream_stalled
{{- end }}

{{/* Outcomes of an attempt at a pool for which the engine is to blame, or what is wrong between it and the gateway. */}}
{{- define "gateway.poolFailures" -}}
bad_answer|bad_event|connect|cut|deadline|error_event|idle|misconfigured|reset|saturated|server_error|slow_first_event
{{- end }}

{{/* What must be there before the pods, in the words of `config.kubernetes.io/depends-on`. */}}
{{- define "gateway.appliedBefore" -}}
{{- $here := printf "namespaces/%s" .Release.Namespace }}
{{- $name := include "gateway.fullname" . }}
{{- $before := list (printf "policy/%s/PodDisruptionBudget/%s" $here $name) (printf "/%s/ConfigMap/%s" $here (include "gateway.policyName" .)) }}
{{- if .Values.networkPolicy.enabled }}
{{- $before = append $before (printf "networking.k8s.io/%s/NetworkPolicy/%s" $here $name) }}
{{- end }}
{{- if .Values.serviceAccount.create }}
{{- $before = append $before (printf "/%s/ServiceAccount/%s" $here (include "gateway.serviceAccountName" .)) }}
{{- end }}
{{- join "," $before -}}
{{- end }}
