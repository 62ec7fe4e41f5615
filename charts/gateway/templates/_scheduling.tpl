{{/*
Where gateways may stand. With a fixed number, `minDomains` above the number of nodes makes `maxSkew` a plain bound per
node (the emptiest node counts as 0): half of them, so two gateways stand on two nodes. With autoscaling the number is
unknown, so the spread is even and over two nodes at least. `pod-template-hash` keeps old pods out of the count, else a
rollout could not finish.
*/}}

{{- define "gateway.topologySpread" -}}
{{- range $key, $spread := dict "kubernetes.io/hostname" .Values.placement.nodeSpread "topology.kubernetes.io/zone" .Values.placement.zoneSpread }}
{{- if ne $spread "none" }}
- topologyKey: {{ $key }}
  {{- if eq $spread "preferred" }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  {{- else }}
  maxSkew: {{ if $.Values.autoscaling.enabled }}1{{ else }}{{ div (add (int64 $.Values.replicas) 1) 2 }}{{ end }}
  minDomains: {{ ternary 2 1024 $.Values.autoscaling.enabled }}
  whenUnsatisfiable: DoNotSchedule
  nodeAffinityPolicy: Honor
  nodeTaintsPolicy: Honor
  {{- end }}
  labelSelector:
    matchLabels:
      {{- include "gateway.selectorLabels" $ | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}
