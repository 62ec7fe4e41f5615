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

{{- define "gateway.graceSeconds" -}}
{{- add (int64 .Values.drain.preStopSeconds) (int64 .Values.drain.timeoutSeconds) 5 -}}
{{- end }}
