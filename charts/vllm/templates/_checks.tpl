{{/*
What the values schema cannot say: rules over several values. All problems are collected and told at once, each with
what to do. Included by the Deployment, so nothing renders while a rule is broken.
*/}}

{{- define "vllm.checks" -}}
{{- $problems := list -}}
{{- range list "vllm.modelProblems" "vllm.imageProblems" "vllm.engineProblems" "vllm.escapeProblems" "vllm.privacyProblems" "vllm.networkProblems" "vllm.placementProblems" "vllm.scalingProblems" "vllm.drainProblems" -}}
{{- $problems = concat $problems (include . $ | fromJsonArray) -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "these values cannot be deployed:\n- %s" (join "\n- " $problems)) -}}
{{- end -}}
{{- end }}

{{- define "vllm.modelProblems" -}}
{{- $problems := list -}}
{{- $source := .Values.model.source | default "" -}}
{{- if not .Values.model.name -}}
{{- $problems = append $problems "model.name is missing: set the model's name, such as Qwen/Qwen3-32B" -}}
{{- end -}}
{{- if not $source -}}
{{- $problems = append $problems "model.source is missing: set s3://BUCKET/PREFIX, or a path below /models with modelStore.volumeClaim" -}}
{{- else if and (hasPrefix "/" $source) (not .Values.modelStore.volumeClaim) -}}
{{- $problems = append $problems (printf "model.source %s is a path but no volume is mounted: set modelStore.volumeClaim, or use an s3:// source" $source) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" (include "vllm.fullname" .)) -}}
{{- $problems = append $problems (printf "%q cannot name a Service: start with a letter, at most 63 of a-z, 0-9 and -; choose another release name or set fullnameOverride" (include "vllm.fullname" .)) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "vllm.imageProblems" -}}
{{- $problems := list -}}
{{- $version := include "vllm.engineVersion" . -}}
{{- if not $version -}}
{{- $problems = append $problems (printf "image.tag %q does not tell vLLM's version: set image.engineVersion, such as 0.33.0" (toString .Values.image.tag)) -}}
{{- else if semverCompare "<0.30.0" $version -}}
{{- $problems = append $problems (printf "vLLM %s has known vulnerabilities: use 0.30.0 or later (this chart is tested with %s)" $version .Chart.AppVersion) -}}
{{- end -}}
{{- if and .Values.image.requireDigest (not .Values.image.digest) -}}
{{- $problems = append $problems "image.digest is missing and image.requireDigest is true: set sha256:… of the image, or requireDigest: false" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "vllm.engineProblems" -}}
{{- $problems := list -}}
{{- $engine := .Values.engine -}}
{{- if and $engine.trustRemoteCode (not (has (printf "%s@%s" .Values.model.name .Values.model.revision) .Values.trustedRemoteCode)) -}}
{{- $problems = append $problems (printf "engine.trustRemoteCode would run code of %s@%s: review it, then add exactly that to trustedRemoteCode" .Values.model.name (.Values.model.revision | default "(no revision)")) -}}
{{- end -}}
{{- if and $engine.maxNumBatchedTokens $engine.maxNumSeqs (lt (int64 $engine.maxNumBatchedTokens) (int64 $engine.maxNumSeqs)) -}}
{{- $problems = append $problems (printf "engine.maxNumBatchedTokens %d is below maxNumSeqs %d, vLLM refuses that: raise the first or lower the second" (int64 $engine.maxNumBatchedTokens) (int64 $engine.maxNumSeqs)) -}}
{{- end -}}
{{- if and (gt (int64 $engine.dataParallelSize) 1) (not $engine.expertParallel) -}}
{{- $problems = append $problems (printf "engine.dataParallelSize %d shares nothing without engine.expertParallel: set it, or run more replicas" (int64 $engine.dataParallelSize)) -}}
{{- end -}}
{{- $adapters := .Values.adapters | default list -}}
{{- if and $adapters (or (lt (int64 ($engine.maxLoras | default 0)) (len $adapters | int64)) (not $engine.maxLoraRank)) -}}
{{- $problems = append $problems (printf "engine.maxLoras and engine.maxLoraRank do not hold %d adapters: set the first to %d or more, and the second to their largest rank" (len $adapters) (len $adapters)) -}}
{{- end -}}
{{- if and (not $adapters) (or $engine.maxLoras $engine.maxLoraRank) -}}
{{- $problems = append $problems "engine.maxLoras and engine.maxLoraRank slow every step and hold nothing: name adapters, or leave them null" -}}
{{- end -}}
{{- $names := list (include "vllm.servedName" .) -}}
{{- range $adapters -}}
{{- if has .name $names -}}
{{- $problems = append $problems (printf "adapters: %s is served already: give every adapter a name of its own" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- with $engine.speculativeConfig -}}
{{- $verified := mul (add 1 (int64 .num_speculative_tokens)) (int64 $engine.maxNumSeqs) -}}
{{- if and $engine.maxNumBatchedTokens (lt (int64 $engine.maxNumBatchedTokens) $verified) -}}
{{- $problems = append $problems (printf "engine.maxNumBatchedTokens %d does not hold the %d tokens that engine.speculativeConfig verifies for %d sequences: raise it, or lower maxNumSeqs" (int64 $engine.maxNumBatchedTokens) $verified (int64 $engine.maxNumSeqs)) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{/* Flags that the chart sets from values, each with the value that sets it. */}}
{{- define "vllm.ownedFlags" -}}
{{- dict
  "--model" "model.source"
  "--served-model-name" "model.servedName"
  "--port" "service.port"
  "--load-format" "model.source"
  "--model-loader-extra-config" "modelStore.streamer"
  "--tensor-parallel-size" "engine.tensorParallelSize"
  "--data-parallel-size" "engine.dataParallelSize"
  "--api-server-count" "engine.apiServerCount"
  "--max-model-len" "engine.maxModelLen"
  "--max-num-seqs" "engine.maxNumSeqs"
  "--max-num-batched-tokens" "engine.maxNumBatchedTokens"
  "--max-num-queued-reqs" "engine.maxNumQueuedReqs"
  "--max-num-queued-tokens" "engine.maxNumQueuedTokens"
  "--gpu-memory-utilization" "engine.gpuMemoryUtilization"
  "--quantization" "engine.quantization"
  "--dtype" "engine.dtype"
  "--kv-cache-dtype" "engine.kvCacheDtype"
  "--speculative-config" "engine.speculativeConfig"
  "--spec-method" "engine.speculativeConfig"
  "--spec-model" "engine.speculativeConfig"
  "--spec-tokens" "engine.speculativeConfig"
  "--hf-overrides" "engine.ropeParameters"
  "--enable-lora" "adapters"
  "--disable-lora" "adapters"
  "--lora-modules" "adapters"
  "--max-loras" "engine.maxLoras"
  "--max-lora-rank" "engine.maxLoraRank"
  "--enable-prefix-caching" "engine.prefixCaching"
  "--disable-prefix-caching" "engine.prefixCaching"
  "--enable-expert-parallel" "engine.expertParallel"
  "--disable-expert-parallel" "engine.expertParallel"
  "--enforce-eager" "engine.enforceEager"
  "--no-enforce-eager" "engine.enforceEager"
  "--enable-auto-tool-choice" "engine.toolCallParser"
  "--disable-auto-tool-choice" "engine.toolCallParser"
  "--tool-call-parser" "engine.toolCallParser"
  "--reasoning-parser" "engine.reasoningParser"
  "--chat-template" "engine.chatTemplate"
  "--limit-mm-per-prompt" "engine.limitMmPerPrompt"
  "--tokenizer" "model.source"
  "--tokenizer-mode" "engine.tokenizerMode"
  "--language-model-only" "engine.languageModelOnly"
  "--no-language-model-only" "engine.languageModelOnly"
  "--trust-remote-code" "engine.trustRemoteCode and trustedRemoteCode"
  "--no-trust-remote-code" "engine.trustRemoteCode"
  "--allowed-media-domains" "engine.allowedMediaDomains"
  "--ssl-certfile" "tls"
  "--ssl-keyfile" "tls"
  "--ssl-ca-certs" "nothing, it is fixed"
  "--enable-ssl-refresh" "tls"
  "--disable-ssl-refresh" "tls"
  "--shutdown-timeout" "drain.shutdownTimeoutSeconds"
  "--disable-access-log-for-endpoints" "nothing, it is fixed"
| toJson -}}
{{- end }}

{{/* Flags that open a door, each with the reason. */}}
{{- define "vllm.refusedFlags" -}}
{{- dict
  "--config" "it would set flags that nobody checked"
  "--api-key" "a key in the arguments is readable by everyone who may list pods; the network policy is the door"
  "--hf-token" "a token in the arguments is readable by everyone who may list pods"
  "--allowed-local-media-path" "requests could read files of the pod"
  "--tool-parser-plugin" "it runs code that nobody reviewed"
  "--reasoning-parser-plugin" "it runs code that nobody reviewed"
  "--middleware" "it runs code that nobody reviewed"
  "--worker-extension-cls" "it runs code that nobody reviewed"
  "--logits-processors" "it runs code that nobody reviewed"
  "--io-processor-plugin" "it runs code that nobody reviewed"
  "--enable-sleep-mode" "its endpoints let a client unload the model"
  "--headless" "replicas over several nodes are not supported"
| toJson -}}
{{- end }}

{{- define "vllm.refusedEnv" -}}
{{- dict
  "VLLM_SERVER_DEV_MODE" "it opens endpoints that unload or reset the engine"
  "VLLM_ALLOW_INSECURE_SERIALIZATION" "it unpickles what comes over the network"
  "VLLM_ALLOW_RUNTIME_LORA_UPDATING" "clients could load adapters"
  "VLLM_API_KEY" "the gateway sends no key; the network policy is the door"
  "VLLM_PLUGINS" "it runs code that nobody reviewed"
  "VLLM_PORT" "set service.port instead"
| toJson -}}
{{- end }}

{{- define "vllm.escapeProblems" -}}
{{- $problems := list -}}
{{- $owned := include "vllm.ownedFlags" . | fromJson -}}
{{- $refused := include "vllm.refusedFlags" . | fromJson -}}
{{- range .Values.extraArgs -}}
{{- /* vLLM's parser takes _ for - and may take a unique beginning of a flag for the flag. */ -}}
{{- $flag := index (splitList "=" .) 0 | replace "_" "-" -}}
{{- if regexMatch "^-[^-]" $flag -}}
{{- $problems = append $problems (printf "extraArgs: %q is a short form: write the long one, --flag=value" $flag) -}}
{{- else if hasPrefix "--" $flag -}}
{{- range $name, $value := $owned }}{{ if or (hasPrefix $flag $name) (hasPrefix (printf "%s." $name) $flag) -}}
{{- $problems = append $problems (printf "extraArgs: %s is set by the chart: remove it and use %s" $name $value) -}}
{{- end }}{{ end -}}
{{- range $name, $reason := $refused }}{{ if or (hasPrefix $flag $name) (hasPrefix (printf "%s." $name) $flag) -}}
{{- $problems = append $problems (printf "extraArgs: %s is refused: %s" $name $reason) -}}
{{- end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $ownedEnv := list -}}
{{- range include "vllm.ownEnv" . | fromYamlArray }}{{ $ownedEnv = append $ownedEnv .name }}{{ end -}}
{{- $refusedEnv := include "vllm.refusedEnv" . | fromJson -}}
{{- range .Values.env -}}
{{- if has .name $ownedEnv -}}
{{- $problems = append $problems (printf "env: %s is set by the chart: remove it" .name) -}}
{{- else if hasKey $refusedEnv .name -}}
{{- $problems = append $problems (printf "env: %s is refused: %s" .name (get $refusedEnv .name)) -}}
{{- else if and (hasKey . "value") (regexMatch "(^|_)(SECRET|TOKEN|PASSWORD|KEY)(_|$)" .name) -}}
{{- $problems = append $problems (printf "env: %s looks like a secret: give it as valueFrom.secretKeyRef" .name) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "vllm.privacyProblems" -}}
{{- $problems := list -}}
{{- if eq .Values.privacy "restricted" -}}
{{- if not .Values.networkPolicy.enabled -}}
{{- $problems = append $problems "a restricted pool needs its network policy: set networkPolicy.enabled: true" -}}
{{- end -}}
{{- if .Values.networkPolicy.extraEgress -}}
{{- $problems = append $problems "a restricted pool has no egress but DNS, the model store and Pod Identity: empty networkPolicy.extraEgress, or serve these routes as internal" -}}
{{- end -}}
{{- range .Values.extraObjects -}}
{{- $object := . }}{{ if kindIs "string" . }}{{ $object = tpl . $ | fromYaml }}{{ end -}}
{{- if contains "NetworkPolicy" (toString $object.kind) -}}
{{- $problems = append $problems (printf "a restricted pool may bring no further %s (policies add up): remove it from extraObjects" $object.kind) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraArgs -}}
{{- $flag := index (splitList "=" .) 0 | replace "_" "-" -}}
{{- range list "--enable-log-requests" "--enable-log-outputs" "--otlp-traces-endpoint" "--kv-transfer-config" "--kv-events-config" }}{{ if and (hasPrefix "--" $flag) (hasPrefix $flag .) -}}
{{- $problems = append $problems (printf "a restricted pool may not use %s: prompts would leave the engine; remove it from extraArgs" .) -}}
{{- end }}{{ end -}}
{{- end -}}
{{- range .Values.env -}}
{{- if or (has .name (list "VLLM_DEBUG_LOG_API_SERVER_RESPONSE" "VLLM_REQUEST_BODY_LOG_LEVEL" "VLLM_LOGGING_CONFIG_PATH")) (and (eq .name "VLLM_LOGGING_LEVEL") (eq (toString .value | upper) "DEBUG")) -}}
{{- $problems = append $problems (printf "a restricted pool may not set %s: prompts would stand in the log; remove it from env" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "vllm.networkProblems" -}}
{{- $problems := list -}}
{{- $policy := .Values.networkPolicy -}}
{{- if $policy.enabled -}}
{{- if and (or .Values.adapters (hasPrefix "s3://" (.Values.model.source | default ""))) (not $policy.modelStoreCidrs) -}}
{{- $problems = append $problems "networkPolicy.modelStoreCidrs is empty, so the weights cannot be read: set the store's addresses (AWS: the CIDRs of the prefix list com.amazonaws.REGION.s3)" -}}
{{- end -}}
{{- range $policy.modelStoreCidrs -}}
{{- if regexMatch "/[0-7]$" . -}}
{{- $problems = append $problems (printf "networkPolicy.modelStoreCidrs: %s is a large part of the Internet: set the store's own addresses (AWS: the CIDRs of the prefix list com.amazonaws.REGION.s3)" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "vllm.placementProblems" -}}
{{- $problems := list -}}
{{- $replicas := include "vllm.poolReplicas" . | int64 -}}
{{- $bound := include "vllm.replicasPerNode" . -}}
{{- if and (eq .Values.placement.strategy "spread") (gt $replicas 1) (ge (int64 $bound) $replicas) -}}
{{- $problems = append $problems (printf "placement.maxReplicasPerNode %s lets one node hold all %d replicas: lower it, or set placement.strategy: pack" $bound $replicas) -}}
{{- end -}}
{{- with .Values.nodeGroup.gpusPerNode -}}
{{- $size := include "vllm.gpus" $ | int64 -}}
{{- if gt $size (int64 .) -}}
{{- $problems = append $problems (printf "a replica of %d GPUs (engine.tensorParallelSize × engine.dataParallelSize) needs more GPUs than a node has (%d): replicas over several nodes are not supported" $size (int64 .)) -}}
{{- else if and $.Values.placement.maxReplicasPerNode (gt (mul $size (int64 $.Values.placement.maxReplicasPerNode)) (int64 .)) -}}
{{- $problems = append $problems (printf "placement.maxReplicasPerNode %d × %d GPUs do not fit the %d of a node: lower it" (int64 $.Values.placement.maxReplicasPerNode) $size (int64 .)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (int64 .Values.rollout.maxSurge) 0) (eq (int64 .Values.rollout.maxUnavailable) 0) -}}
{{- $problems = append $problems "rollout.maxSurge and maxUnavailable are both 0, so no rollout could start: set one of them to 1" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "vllm.scalingProblems" -}}
{{- $problems := list -}}
{{- $scaling := .Values.autoscaling -}}
{{- if $scaling.enabled -}}
{{- /* Without a Prometheus the clock alone may decide. */ -}}
{{- $clockAlone := and $scaling.schedule (not $scaling.prometheusUrl) (not $scaling.demandPerReplica) -}}
{{- if and (not $clockAlone) (not $scaling.demandPerReplica) -}}
{{- $problems = append $problems "autoscaling.demandPerReplica is missing: set the requests of one replica at which another is wanted, such as 0.8 × engine.maxNumSeqs" -}}
{{- end -}}
{{- if and (not $clockAlone) (not $scaling.prometheusUrl) -}}
{{- $problems = append $problems "autoscaling.prometheusUrl is missing: set the address of the Prometheus that scrapes the gateways, such as http://prometheus-operated.monitoring.svc:9090" -}}
{{- end -}}
{{- if lt (int64 $scaling.maxReplicas) (int64 $scaling.minReplicas) -}}
{{- $problems = append $problems (printf "autoscaling.maxReplicas %d is below minReplicas %d: raise it" (int64 $scaling.maxReplicas) (int64 $scaling.minReplicas)) -}}
{{- end -}}
{{- range $scaling.schedule -}}
{{- if gt (int64 .replicas) (int64 $scaling.maxReplicas) -}}
{{- $problems = append $problems (printf "autoscaling.schedule wants %d replicas from %q and maxReplicas is %d: raise one or lower the other" (int64 .replicas) .start (int64 $scaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "vllm.drainProblems" -}}
{{- $problems := list -}}
{{- $needed := include "vllm.drainSeconds" . | int64 -}}
{{- $grace := include "vllm.graceSeconds" . | int64 -}}
{{- if lt $grace $needed -}}
{{- $problems = append $problems (printf "drain.terminationGracePeriodSeconds %d cuts the drain: %d are needed (preStopSeconds + shutdownTimeoutSeconds + 5), or leave it null" $grace $needed) -}}
{{- end -}}
{{- if and (eq .Values.nodeGroup.capacityType "spot") (gt $grace 110) -}}
{{- $problems = append $problems (printf "a drain of %d s does not fit the two minutes' notice of spot: 110 at most; lower drain.shutdownTimeoutSeconds" $grace) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}
