{{/* Names and labels. One place, so that selectors, policies and the gateway agree. */}}

{{- define "vllm.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | replace "." "-" -}}
{{- end }}

{{- define "vllm.pool" -}}
{{- .Values.pool | default .Release.Name -}}
{{- end }}

{{- define "vllm.servedName" -}}
{{- .Values.model.servedName | default .Values.model.name -}}
{{- end }}

{{- define "vllm.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "vllm.fullname" .) -}}
{{- end }}

{{- define "vllm.image" -}}
{{- .Values.image.repository }}:{{ .Values.image.tag }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* vLLM's version as X.Y.Z, from the tag unless `image.engineVersion` says it; empty where neither tells. */}}
{{- define "vllm.engineVersion" -}}
{{- $text := .Values.image.engineVersion | default .Values.image.tag | toString -}}
{{- regexFind "^[0-9]+[.][0-9]+[.][0-9]+" (trimPrefix "v" $text) -}}
{{- end }}

{{/* Labels that never change in the life of a release: a Deployment's selector is immutable. */}}
{{- define "vllm.selectorLabels" -}}
app.kubernetes.io/name: vllm
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vllm.labels" -}}
{{ include "vllm.selectorLabels" . }}
app.kubernetes.io/part-of: spillway
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ include "vllm.engineVersion" . | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
spillway.dev/pool: {{ include "vllm.pool" . | quote }}
spillway.dev/privacy: {{ .Values.privacy }}
{{- with .Values.nodeGroup.name }}
spillway.dev/node-group: {{ . | quote }}
{{- end }}
{{- end }}

{{/* GPUs of one replica: those of all copies of the attention. */}}
{{- define "vllm.gpus" -}}
{{- mul (int64 .Values.engine.tensorParallelSize) (int64 .Values.engine.dataParallelSize) -}}
{{- end }}

{{/* The name holds the value: a class's value is immutable, so another value is another class. */}}
{{- define "vllm.priorityClassValue" -}}
{{- if kindIs "invalid" .Values.priorityClass.value -}}
{{- add 100000 (include "vllm.gpus" . | int64) -}}
{{- else -}}
{{- int64 .Values.priorityClass.value -}}
{{- end -}}
{{- end }}

{{- define "vllm.priorityClassName" -}}
{{- if .Values.priorityClass.name -}}
{{- .Values.priorityClass.name -}}
{{- else if .Values.priorityClass.create -}}
{{- printf "%s-%s-%s" .Release.Namespace (include "vllm.fullname" .) (include "vllm.priorityClassValue" .) -}}
{{- end -}}
{{- end }}

{{/* What must be there before the pods, in the words of `config.kubernetes.io/depends-on`. */}}
{{- define "vllm.appliedBefore" -}}
{{- $here := printf "namespaces/%s" .Release.Namespace }}
{{- $name := include "vllm.fullname" . }}
{{- $before := list }}
{{- if .Values.pdb.enabled }}
{{- $before = append $before (printf "policy/%s/PodDisruptionBudget/%s" $here $name) }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- $before = append $before (printf "networking.k8s.io/%s/NetworkPolicy/%s" $here $name) }}
{{- end }}
{{- if .Values.serviceAccount.create }}
{{- $before = append $before (printf "/%s/ServiceAccount/%s" $here (include "vllm.serviceAccountName" .)) }}
{{- end }}
{{- if and .Values.priorityClass.create (not .Values.priorityClass.name) }}
{{- $before = append $before (printf "scheduling.k8s.io/PriorityClass/%s" (include "vllm.priorityClassName" .)) }}
{{- end }}
{{- join "," $before -}}
{{- end }}
