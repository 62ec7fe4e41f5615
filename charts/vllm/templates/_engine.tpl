{{/*
The engine's command line and environment. Every flag and `VLLM_` variable here is checked in the tests against the
argument parser of the pinned vLLM. int64 everywhere: a large number from YAML would print as 1e+06.
*/}}

{{- define "vllm.loaderConfig" -}}
{{- $config := dict -}}
{{- if and (gt (int64 .Values.engine.tensorParallelSize) 1) (eq (int64 .Values.engine.dataParallelSize) 1) -}}
{{- /* Each rank reads its part and the GPUs exchange the rest, instead of every rank reading everything. Copies of the
attention load apart, and their ranks read everything. */ -}}
{{- $_ := set $config "distributed" true -}}
{{- end -}}
{{- with .Values.modelStore.streamer.concurrency }}{{ $_ := set $config "concurrency" (int64 .) }}{{ end -}}
{{- with .Values.modelStore.streamer.memoryLimitBytes }}{{ $_ := set $config "memory_limit" (int64 .) }}{{ end -}}
{{- if $config }}{{ toJson $config }}{{ end -}}
{{- end }}

{{- define "vllm.args" -}}
{{- $engine := .Values.engine -}}
{{- $args := list .Values.model.source (printf "--served-model-name=%s" (include "vllm.servedName" .)) -}}
{{- $args = append $args (printf "--port=%d" (int64 .Values.service.port)) -}}
{{- if hasPrefix "s3://" (.Values.model.source | toString) -}}
{{- $args = append $args "--load-format=runai_streamer" -}}
{{- with include "vllm.loaderConfig" . }}{{ $args = append $args (printf "--model-loader-extra-config=%s" .) }}{{ end -}}
{{- end -}}
{{- $args = append $args (printf "--tensor-parallel-size=%d" (int64 $engine.tensorParallelSize)) -}}
{{- if gt (int64 $engine.dataParallelSize) 1 -}}
{{- $args = append $args (printf "--data-parallel-size=%d" (int64 $engine.dataParallelSize)) -}}
{{- end -}}
{{- /* Without the flag vLLM would start one API server for each copy of the attention. */ -}}
{{- if or (gt (int64 $engine.dataParallelSize) 1) (gt (int64 $engine.apiServerCount) 1) -}}
{{- $args = append $args (printf "--api-server-count=%d" (int64 $engine.apiServerCount)) -}}
{{- end -}}
{{- with $engine.maxModelLen }}{{ $args = append $args (printf "--max-model-len=%d" (int64 .)) }}{{ end -}}
{{- with $engine.maxNumSeqs }}{{ $args = append $args (printf "--max-num-seqs=%d" (int64 .)) }}{{ end -}}
{{- with $engine.maxNumBatchedTokens }}{{ $args = append $args (printf "--max-num-batched-tokens=%d" (int64 .)) }}{{ end -}}
{{- with $engine.maxNumQueuedReqs }}{{ $args = append $args (printf "--max-num-queued-reqs=%d" (int64 .)) }}{{ end -}}
{{- with $engine.maxNumQueuedTokens }}{{ $args = append $args (printf "--max-num-queued-tokens=%d" (int64 .)) }}{{ end -}}
{{- with $engine.gpuMemoryUtilization }}{{ $args = append $args (printf "--gpu-memory-utilization=%v" .) }}{{ end -}}
{{- with $engine.quantization }}{{ $args = append $args (printf "--quantization=%s" .) }}{{ end -}}
{{- with $engine.dtype }}{{ $args = append $args (printf "--dtype=%s" .) }}{{ end -}}
{{- with $engine.kvCacheDtype }}{{ $args = append $args (printf "--kv-cache-dtype=%s" .) }}{{ end -}}
{{- /* A number from values is a float, which would print as 1e+06 or be refused; the keys are sorted. */ -}}
{{- with $engine.speculativeConfig -}}
{{- $tokens := dict "num_speculative_tokens" (int64 .num_speculative_tokens) -}}
{{- $args = append $args (printf "--speculative-config=%s" (merge $tokens . | toJson)) -}}
{{- end -}}
{{- with $engine.ropeParameters -}}
{{- $whole := dict "original_max_position_embeddings" (int64 .original_max_position_embeddings) "rope_theta" (int64 .rope_theta) -}}
{{- $args = append $args (printf "--hf-overrides=%s" (dict "rope_parameters" (merge $whole .) | toJson)) -}}
{{- end -}}
{{- if .Values.adapters -}}
{{- $args = concat $args (list "--enable-lora" (printf "--max-loras=%d" (int64 $engine.maxLoras)) (printf "--max-lora-rank=%d" (int64 $engine.maxLoraRank))) -}}
{{- $args = append $args "--lora-modules" -}}
{{- range .Values.adapters }}{{ $args = append $args (printf "%s=/adapters/%s" .name .name) }}{{ end -}}
{{- end -}}
{{- $args = append $args (ternary "--enable-prefix-caching" "--disable-prefix-caching" (eq true $engine.prefixCaching)) -}}
{{- if $engine.expertParallel }}{{ $args = append $args "--enable-expert-parallel" }}{{ end -}}
{{- if $engine.enforceEager }}{{ $args = append $args "--enforce-eager" }}{{ end -}}
{{- with $engine.toolCallParser -}}
{{- $args = concat $args (list "--enable-auto-tool-choice" (printf "--tool-call-parser=%s" .)) -}}
{{- end -}}
{{- with $engine.reasoningParser }}{{ $args = append $args (printf "--reasoning-parser=%s" .) }}{{ end -}}
{{- with $engine.chatTemplate }}{{ $args = append $args (printf "--chat-template=/vllm-workspace/examples/%s" .) }}{{ end -}}
{{- with $engine.tokenizerMode }}{{ $args = append $args (printf "--tokenizer-mode=%s" .) }}{{ end -}}
{{- if $engine.languageModelOnly }}{{ $args = append $args "--language-model-only" }}{{ end -}}
{{- with $engine.limitMmPerPrompt -}}
{{- $limits := dict -}}
{{- range $kind, $most := . }}{{ $_ := set $limits $kind (int64 $most) }}{{ end -}}
{{- $args = append $args (printf "--limit-mm-per-prompt=%s" (toJson $limits)) -}}
{{- end -}}
{{- if $engine.trustRemoteCode }}{{ $args = append $args "--trust-remote-code" }}{{ end -}}
{{- /* An empty list would allow every host, so no host is said with a name that can never resolve (RFC 2606). */ -}}
{{- $args = concat (append $args "--allowed-media-domains") ($engine.allowedMediaDomains | default (list "none.invalid")) -}}
{{- $args = append $args (printf "--shutdown-timeout=%d" (int64 .Values.drain.shutdownTimeoutSeconds)) -}}
{{- if include "vllm.tlsSecret" . -}}
{{- $args = concat $args (list "--ssl-certfile=/etc/vllm/tls/tls.crt" "--ssl-keyfile=/etc/vllm/tls/tls.key" "--enable-ssl-refresh") -}}
{{- end -}}
{{- $args = append $args "--disable-access-log-for-endpoints=/health,/metrics" -}}
{{- concat $args (.Values.extraArgs | default list) | toYaml -}}
{{- end }}

{{/*
The init container's program: it copies what lies below each adapter's prefix. boto3 is in every image that can stream
weights from S3, because the streamer's S3 part needs it. It reads the same credentials, region and endpoint.
*/}}
{{- define "vllm.adapterScript" -}}
import pathlib, sys
import boto3

store = boto3.client("s3")
for place in sys.argv[1:]:
    name, _, address = place.partition("=")
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/") + "/"
    root = pathlib.Path("/adapters", name).resolve()
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [row["Key"] for page in pages for row in page.get("Contents", ()) if not row["Key"].endswith("/")]
    if prefix + "adapter_config.json" not in keys:
        sys.exit(f"{address} holds no adapter_config.json: an adapter in PEFT's format is wanted there")
    for key in keys:
        file = (root / key[len(prefix):]).resolve()
        if not file.is_relative_to(root):
            sys.exit(f"{key} would be written outside of {root}")
        file.parent.mkdir(parents=True, exist_ok=True)
        store.download_file(bucket, key, str(file))
    print(f"{name}: {len(keys)} files from {address}")
{{- end }}

{{/* What the chart sets; `env` may not set it again (see _checks.tpl). */}}
{{- define "vllm.ownEnv" -}}
- name: USER
  value: vllm
- name: HOME
  value: /home/vllm
- name: TORCHINDUCTOR_CACHE_DIR
  value: /home/vllm/.cache/torchinductor
- name: VLLM_CACHE_ROOT
  value: /home/vllm/.cache/vllm
- name: HF_HOME
  value: /home/vllm/.cache/huggingface
- name: HF_HUB_OFFLINE
  value: "1"
- name: HF_HUB_DISABLE_TELEMETRY
  value: "1"
- name: VLLM_NO_USAGE_STATS
  value: "1"
- name: VLLM_DO_NOT_TRACK
  value: "1"
- name: VLLM_ENGINE_READY_TIMEOUT_S
  value: {{ include "vllm.startupSeconds" . | quote }}
# The plan sizes the KV cache. vLLM would take its own estimate of the CUDA graphs from it, which can be many times too
# large; what engine.gpuMemoryUtilization leaves holds the graphs.
- name: VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS
  value: "0"
- name: VLLM_HTTP_TIMEOUT_KEEP_ALIVE
  value: {{ .Values.engine.keepAliveSeconds | int64 | quote }}
- name: VLLM_MEDIA_URL_ALLOW_REDIRECTS
  value: "0"
# Credentials come from Pod Identity or a Secret; the node's own role is none of the pod's business.
- name: AWS_EC2_METADATA_DISABLED
  value: "true"
{{- if .Values.podIdentity.enabled }}
# What the webhook of EKS adds to a pod whose role it knows. Here it stands in the pod, in the webhook's own names: it
# leaves alone what is there, and a pod that came too early asks the agent again until its role is known.
- name: AWS_CONTAINER_CREDENTIALS_FULL_URI
  value: {{ .Values.podIdentity.credentialsUrl | quote }}
- name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  value: {{ include "vllm.identityFolder" . }}/eks-pod-identity-token
{{- end }}
{{- with .Values.modelStore.region }}
- name: AWS_REGION
  value: {{ . | quote }}
- name: AWS_DEFAULT_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.modelStore.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
- name: RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING
  value: "0"
{{- end }}
{{- end }}

{{/* Where the token of EKS Pod Identity lies, mount and volume. All names are those of its webhook. */}}
{{- define "vllm.identityFolder" -}}
/var/run/secrets/pods.eks.amazonaws.com/serviceaccount
{{- end }}

{{- define "vllm.identityMount" -}}
- name: eks-pod-identity-token
  mountPath: {{ include "vllm.identityFolder" . }}
  readOnly: true
{{- end }}

{{- define "vllm.identityVolume" -}}
- name: eks-pod-identity-token
  projected:
    sources:
      - serviceAccountToken:
          audience: pods.eks.amazonaws.com
          expirationSeconds: 86400
          path: eks-pod-identity-token
{{- end }}
