{{/*
What the values schema cannot say: rules over several values and over the policy document. All problems are collected
and told at once, each with what to do. Included by the Deployment, so nothing renders while a rule is broken.
*/}}

{{- define "gateway.checks" -}}
{{- $problems := list -}}
{{- range list "gateway.policyProblems" "gateway.deploymentProblems" "gateway.doorProblems" "gateway.envProblems" -}}
{{- $problems = concat $problems (include . $ | fromJsonArray) -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "these values cannot be deployed:\n- %s" (join "\n- " $problems)) -}}
{{- end -}}
{{- end }}

{{/* The gateway itself judges the document; here only what decides about objects: size, spilling routes, key variables. */}}
{{- define "gateway.policyProblems" -}}
{{- $problems := list -}}
{{- $text := include "gateway.policyText" . -}}
{{- if not $text -}}
{{- $problems = append $problems "policy.document is missing: set the gateway's policy document (JSON)" -}}
{{- else if gt (len $text) 900000 -}}
{{- $problems = append $problems (printf "policy.document has %d bytes and a ConfigMap holds 1 MiB: shorten it" (len $text)) -}}
{{- else -}}
{{- $policy := $text | fromJson -}}
{{- if hasKey $policy "Error" -}}
{{- $problems = append $problems (printf "policy.document is not a JSON object: %s" $policy.Error) -}}
{{- else -}}
{{- $spilling := list -}}
{{- range $name, $route := $policy.routes }}{{ if $route.fallback }}{{ $spilling = append $spilling $name }}{{ end }}{{ end -}}
{{- if and .Values.networkPolicy.enabled $spilling (not .Values.networkPolicy.apiEgress) -}}
{{- $problems = append $problems (printf "networkPolicy.apiEgress is false but %s may spill: set it to true, or remove the fallback from the policy" (join ", " $spilling)) -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.networkPolicy.apiEgress (not $spilling) -}}
{{- $problems = append $problems "networkPolicy.apiEgress is true but no route of the policy may spill: set it to false" -}}
{{- end -}}
{{- $known := list -}}
{{- range .Values.providerKeys }}{{ $known = append $known .env }}{{ end -}}
{{- range .Values.awsSecrets.providerKeys }}{{ $known = append $known .env }}{{ end -}}
{{- range .Values.env }}{{ $known = append $known .name }}{{ end -}}
{{- range $name, $api := $policy.apis -}}
{{- if and $api.api_key_env (not (has $api.api_key_env $known)) -}}
{{- $problems = append $problems (printf "the policy's API %s takes its key from %s, which no entry of providerKeys sets: add {env: %s, secretName: …, key: …}" $name $api.api_key_env $api.api_key_env) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "gateway.deploymentProblems" -}}
{{- $problems := list -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,56}[a-z0-9])?$" (include "gateway.fullname" .)) -}}
{{- $problems = append $problems (printf "%q cannot name a Service: start with a letter, at most 58 of a-z, 0-9 and -; choose another release name or set fullnameOverride" (include "gateway.fullname" .)) -}}
{{- end -}}
{{- $aws := .Values.awsSecrets -}}
{{- if and (or $aws.clientKeys $aws.providerKeys) (not $aws.region) -}}
{{- $problems = append $problems "awsSecrets.region is missing: set the AWS region of the secrets" -}}
{{- end -}}
{{- if and $aws.clientKeys (or .Values.clientKeys.secretName .Values.clientKeys.noAuth) -}}
{{- $problems = append $problems "clientKeys and awsSecrets.clientKeys both say who may call: keep one" -}}
{{- else if and (not $aws.clientKeys) (not .Values.clientKeys.secretName) (not .Values.clientKeys.noAuth) -}}
{{- $problems = append $problems "clientKeys.secretName is missing: name the Secret with the clients' hashed keys, or set clientKeys.noAuth: true where the network is the only door" -}}
{{- else if and .Values.clientKeys.secretName .Values.clientKeys.noAuth -}}
{{- $problems = append $problems "clientKeys.noAuth would ignore the keys of clientKeys.secretName: keep one" -}}
{{- end -}}
{{- if and .Values.image.requireDigest (not .Values.image.digest) -}}
{{- $problems = append $problems "image.digest is missing and image.requireDigest is true: set sha256:… of the image, or requireDigest: false" -}}
{{- end -}}
{{- if le (int64 .Values.drain.timeoutSeconds) (int64 .Values.drain.engineSeconds) -}}
{{- $problems = append $problems (printf "drain.timeoutSeconds %d is not longer than an engine's drain of %d s, so streams that the engines finish would be cut: raise it" (int64 .Values.drain.timeoutSeconds) (int64 .Values.drain.engineSeconds)) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int64 .Values.autoscaling.maxReplicas) (int64 .Values.autoscaling.minReplicas)) -}}
{{- $problems = append $problems (printf "autoscaling.maxReplicas %d is below minReplicas %d: raise it" (int64 .Values.autoscaling.maxReplicas) (int64 .Values.autoscaling.minReplicas)) -}}
{{- end -}}
{{- if eq (int64 .Values.ports.http) (int64 .Values.ports.admin) -}}
{{- $problems = append $problems "ports.http and ports.admin are the same: the admin port must be apart from the clients' one" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{/* Ways in from outside the cluster, and the way on to the pools. */}}
{{- define "gateway.doorProblems" -}}
{{- $problems := list -}}
{{- $doors := list -}}
{{- if ne .Values.service.type "ClusterIP" }}{{ $doors = append $doors (printf "service.type %s" .Values.service.type) }}{{ end -}}
{{- if .Values.httpRoute.enabled }}{{ $doors = append $doors "httpRoute.enabled" }}{{ end -}}
{{- if .Values.ingress.enabled }}{{ $doors = append $doors "ingress.enabled" }}{{ end -}}
{{- if and $doors .Values.networkPolicy.enabled (not .Values.networkPolicy.clients) -}}
{{- $problems = append $problems (printf "%s opens a way in, and networkPolicy.clients lets nobody through: name whom its calls come from" (join " and " $doors)) -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute.parentRefs is empty: name the Gateway that the route belongs to" -}}
{{- end -}}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") -}}
{{- $problems = append $problems "service.nodePort needs service.type NodePort: set it, or leave nodePort null" -}}
{{- end -}}
{{- if and .Values.poolTls.secretName .Values.poolTls.configMapName -}}
{{- $problems = append $problems "poolTls.secretName and poolTls.configMapName are both set: keep one" -}}
{{- end -}}
{{- range .Values.extraArgs }}{{ if hasPrefix "--pool-ca" . -}}
{{- $problems = append $problems "extraArgs: --pool-ca is set by poolTls: set that instead" -}}
{{- end }}{{ end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "gateway.envProblems" -}}
{{- $problems := list -}}
{{- $seen := list -}}
{{- range concat .Values.providerKeys .Values.awsSecrets.providerKeys -}}
{{- if has .env $seen }}{{ $problems = append $problems (printf "providerKeys: %s is set twice: keep one" .env) }}{{ end -}}
{{- $seen = append $seen .env -}}
{{- end -}}
{{- range .Values.env -}}
{{- if has .name $seen -}}
{{- $problems = append $problems (printf "env: %s is set twice: keep one" .name) -}}
{{- else if and (hasKey . "value") (regexMatch "(^|_)(SECRET|TOKEN|PASSWORD|KEY)(_|$)" .name) -}}
{{- $problems = append $problems (printf "env: %s looks like a secret: give it as valueFrom.secretKeyRef" .name) -}}
{{- end -}}
{{- $seen = append $seen .name -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}
