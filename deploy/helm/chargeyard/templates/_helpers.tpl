{{- define "chargeyard.name" -}}
{{- printf "%s" .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{- define "chargeyard.labels" -}}
app.kubernetes.io/name: chargeyard
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Called with (dict "root" $ "part" "gateway"). */}}
{{- define "chargeyard.selector" -}}
app.kubernetes.io/name: chargeyard
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "chargeyard.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "chargeyard.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- include "chargeyard.placement" . }}
{{- end -}}

{{- define "chargeyard.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "chargeyard.container" -}}
image: {{ include "chargeyard.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "chargeyard.confined" . | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: files
    mountPath: /srv/chargeyard
{{- end -}}

{{/* Firmware, logs of chargers and invoices; with a bucket (FILES_S3_BUCKET in settings) nothing is kept here. */}}
{{- define "chargeyard.files" -}}
- name: files
  {{- if .Values.settings.FILES_S3_BUCKET }}
  emptyDir: {sizeLimit: 64Mi}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ .Values.files.existingClaim | default (printf "%s-files" (include "chargeyard.name" .)) | quote }}
  {{- end }}
{{- end -}}

{{- define "chargeyard.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Called with (dict "root" $ "database" "name of the Secret whose DATABASE_URL is used"). */}}
{{- define "chargeyard.environment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: PUBLIC_URL
  value: {{ printf "https://%s" .root.Values.hosts.portal | quote }}
- name: ALLOWED_HOSTS  # probes and Prometheus ask by the address of the pod
  value: {{ printf "%s,$(POD_IP),[$(POD_IP)]" .root.Values.hosts.portal | quote }}
- name: OCPP_DRAIN_SPREAD
  value: {{ .root.Values.gateway.drainSpreadSeconds | quote }}
{{- with .root.Values.ftp }}
{{- if .enabled }}
- name: FTP_PORT
  value: {{ .port | quote }}
- name: FTP_HOST
  value: {{ .host | quote }}
{{- if .tlsSecret }}
- name: FTP_CERTIFICATE
  value: /etc/chargeyard/ftp/tls.crt
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .database | quote }}, key: DATABASE_URL}}
{{- range $name := list "SECRET_KEY" "DATA_KEYS" "VALKEY_URL" "OCPP_TRUSTED_PROXY_SECRET" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $.root.Values.existingSecret | quote }}, key: {{ $name }}}}
{{- end }}
{{- range $name := list "METRICS_TOKEN" "EMAIL_URL" "FILES_S3_KEY_ID" "FILES_S3_SECRET" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $.root.Values.existingSecret | quote }}, key: {{ $name }}, optional: true}}
{{- end }}
{{- end -}}
