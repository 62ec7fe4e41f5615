{{/*
Where replicas may stand. A topology spread constraint bounds the *difference* to the emptiest node; with more
`minDomains` than there are nodes the emptiest counts as 0 (Kubernetes' own rule), so `maxSkew` becomes a plain bound
per node: two replicas = two nodes, and nothing is said of nodes that other pools fill.

Old replicas count beside new ones while a rollout replaces each in turn, so that a pool takes no place of another's.
It still ends: the one that is wanted next is not there yet, so some zone, and in it some node, is below its bound; a
pod that is being deleted counts no more. With `maxSurge` all old replicas stay until a further one is ready, and
`pod-template-hash` keeps them out of the count.
*/}}

{{/* The number of replicas, or the most that there can be. */}}
{{- define "vllm.mostReplicas" -}}
{{- if .Values.autoscaling.enabled }}{{ int64 .Values.autoscaling.maxReplicas }}{{ else }}{{ int64 .Values.replicas }}{{ end -}}
{{- end }}

{{/* All replicas of the pool, whichever release has them: a bound stays while a canary takes over some of them. */}}
{{- define "vllm.poolReplicas" -}}
{{- add (include "vllm.mostReplicas" . | int64) (int64 .Values.replicasBeside) -}}
{{- end }}

{{- define "vllm.halfOfReplicas" -}}
{{- max 1 (div (add (include "vllm.poolReplicas" . | int64) 1) 2) -}}
{{- end }}

{{/* Most replicas on one node; empty = no bound. */}}
{{- define "vllm.replicasPerNode" -}}
{{- if .Values.placement.maxReplicasPerNode -}}
{{- int64 .Values.placement.maxReplicasPerNode -}}
{{- else if eq .Values.placement.strategy "spread" -}}
{{- include "vllm.halfOfReplicas" . -}}
{{- end -}}
{{- end }}

{{- define "vllm.boundPerDomain" -}}
- maxSkew: {{ .bound }}
  minDomains: 1024
  topologyKey: {{ .key }}
  whenUnsatisfiable: DoNotSchedule
  nodeAffinityPolicy: Honor
  nodeTaintsPolicy: Honor
  labelSelector:
    matchLabels:
      {{- include "vllm.selectorLabels" .root | nindent 6 }}
  {{- if gt (int64 .root.Values.rollout.maxSurge) 0 }}
  matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}

{{- define "vllm.topologySpread" -}}
{{- with include "vllm.replicasPerNode" . }}
{{ include "vllm.boundPerDomain" (dict "root" $ "bound" . "key" "kubernetes.io/hostname") }}
{{- end }}
{{- if eq .Values.placement.zoneSpread "required" }}
{{ include "vllm.boundPerDomain" (dict "root" $ "bound" (include "vllm.halfOfReplicas" .) "key" .Values.placement.zoneKey) }}
{{- else if and (eq .Values.placement.zoneSpread "preferred") (eq .Values.placement.strategy "spread") }}
- maxSkew: 1
  topologyKey: {{ .Values.placement.zoneKey }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "vllm.selectorLabels" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- if eq .Values.nodeGroup.capacityType "spot" }}
# AWS may take all spot nodes back at once. Where others are beside them, some replicas stand there.
- maxSkew: 1
  topologyKey: eks.amazonaws.com/capacityType
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "vllm.selectorLabels" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{- define "vllm.affinity" -}}
{{- with .Values.placement.zones }}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - key: {{ $.Values.placement.zoneKey }}
            operator: In
            values: {{ sortAlpha . | toJson }}
{{- end }}
{{- if eq .Values.placement.strategy "pack" }}
podAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    # Fill the nodes that already serve, this pool's first, so that whole nodes stay free for larger replicas.
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "vllm.selectorLabels" . | nindent 12 }}
    - weight: 50
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            app.kubernetes.io/name: vllm
{{- end }}
{{- end }}

{{- define "vllm.tolerations" -}}
- key: nvidia.com/gpu
  operator: Exists
  effect: NoSchedule
{{- with .Values.nodeGroup.name }}
- key: spillway.dev/node-group
  operator: Equal
  value: {{ . | quote }}
  effect: NoSchedule
{{- end }}
{{- with .Values.tolerations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vllm.nodeSelector" -}}
{{- with .Values.nodeGroup.name }}
spillway.dev/node-group: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
{{ toYaml . }}
{{- end }}
{{- end }}
