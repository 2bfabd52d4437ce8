{{- define "headrace.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "headrace.fullname" -}}
{{- $name := include "headrace.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "headrace.selector" -}}
app.kubernetes.io/name: {{ include "headrace.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "headrace.labels" -}}
{{ include "headrace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "headrace.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "headrace.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "headrace.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- /* A value as text: YAML's large whole numbers arrive as 1e+06 otherwise. */ -}}
{{- define "headrace.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{- /* What a container may do: nothing that needs root, and writing only to its emptyDirs. */ -}}
{{- define "headrace.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "headrace.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* Variables of every process. Secrets come by reference; nothing of them stands in a manifest. */ -}}
{{- define "headrace.env" -}}
- name: HEADRACE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "redis.existingSecret: name a Secret that holds the URL of Redis." .Values.redis.existingSecret }}
      key: {{ .Values.redis.key }}
- name: HEADRACE_WORKER_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}

{{- define "headrace.envFrom" -}}
- configMapRef:
    name: {{ include "headrace.fullname" . }}
{{- with .Values.kafka.existingSecret }}
- secretRef:
    name: {{ . }}
{{- end }}
{{- end -}}

{{- /* The folder of placeholders: a file per name, from the ConfigMap and the Secret. */ -}}
{{- define "headrace.placeholders" -}}
- name: placeholders
  projected:
    sources:
      - configMap:
          name: {{ include "headrace.fullname" . }}-placeholders
      {{- with .Values.placeholders.existingSecret }}
      - secret:
          name: {{ . }}
      {{- end }}
{{- end -}}

{{- /* Where and how pods of a component run; takes {root, values, component}. */ -}}
{{- define "headrace.scheduling" -}}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- else }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "headrace.selector" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- /* Metadata of pods; takes {root, values, component}. A change of the configuration starts them again. */ -}}
{{- define "headrace.podMetadata" -}}
annotations:
  checksum/config: {{ include (print .root.Template.BasePath "/configmap.yaml") .root | sha256sum }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- include "headrace.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* What all pods have in common; takes {root, values, component}. */ -}}
{{- define "headrace.podCommon" -}}
serviceAccountName: {{ include "headrace.serviceAccountName" .root }}
automountServiceAccountToken: false
{{- /* Without this, Kubernetes adds variables such as HEADRACE_FLOWER_PORT, which our programs refuse as unknown settings. */}}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
securityContext:
  {{- include "headrace.podSecurity" .root | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{ include "headrace.scheduling" . }}
{{- end -}}

{{- /* The pod of a worker; takes {root, values, component, command, env}. */ -}}
{{- define "headrace.workerPod" -}}
metadata:
  {{- include "headrace.podMetadata" . | nindent 2 }}
spec:
  {{- include "headrace.podCommon" . | nindent 2 }}
  containers:
    - name: {{ .component }}
      image: {{ include "headrace.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: {{ toJson .command }}
      securityContext:
        {{- include "headrace.containerSecurity" .root | nindent 8 }}
      env:
        {{- include "headrace.env" .root | nindent 8 }}
        - name: HEADRACE_VARS_DIR
          value: /etc/headrace/vars
        - name: HEADRACE_LIVENESS_DIR
          value: /run/headrace
        {{- if .root.Values.metrics.enabled }}
        - name: HEADRACE_METRICS_PORT
          value: {{ .root.Values.metrics.port | quote }}
        - name: HEADRACE_METRICS_HOST
          value: "0.0.0.0"
        {{- end }}
        {{- range $name, $value := .env }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
      envFrom:
        {{- include "headrace.envFrom" .root | nindent 8 }}
      {{- if .root.Values.metrics.enabled }}
      ports:
        - name: metrics
          containerPort: {{ .root.Values.metrics.port }}
      {{- end }}
      # It shows the first sign of life once it has reached its servers.
      startupProbe:
        exec:
          command: ["python", "-m", "workers.probe"]
        periodSeconds: 5
        timeoutSeconds: {{ .root.Values.probes.timeoutSeconds }}
        failureThreshold: {{ .root.Values.probes.startupFailureThreshold }}
      livenessProbe:
        exec:
          command: ["python", "-m", "workers.probe"]
        periodSeconds: {{ .root.Values.probes.periodSeconds }}
        timeoutSeconds: {{ .root.Values.probes.timeoutSeconds }}
        failureThreshold: {{ .root.Values.probes.failureThreshold }}
      {{- with .values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: liveness
          mountPath: /run/headrace
        - name: placeholders
          mountPath: /etc/headrace/vars
          readOnly: true
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ .values.tmpSizeLimit }}
    - name: liveness
      emptyDir:
        medium: Memory
        sizeLimit: 1Mi
    {{- include "headrace.placeholders" .root | nindent 4 }}
{{- end -}}
