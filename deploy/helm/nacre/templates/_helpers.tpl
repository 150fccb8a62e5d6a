{{- define "nacre.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "nacre.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nacre.labels" -}}
{{ include "nacre.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "nacre.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "nacre.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "nacre.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A place of knowledge bases and of the servers' own tables. */}}
{{- define "nacre.place" -}}
{{- if .Values.postgres.url -}}
{{- if regexMatch "//[^/@]*:[^/@]*@" .Values.postgres.url }}{{ fail "postgres.url holds a password: put it into a Secret, and name that in postgres.passwordSecret.name" }}{{ end -}}
{{ .Values.postgres.url }}?base={{ .Values.postgres.base }}{{ with .Values.postgres.parameters }}&{{ . }}{{ end }}
{{- else -}}
/data/kb
{{- end }}
{{- end }}

{{- define "nacre.env" -}}
- {name: HOME, value: /tmp}
- {name: NACRE_KB, value: {{ include "nacre.place" . | quote }}}
- {name: NACRE_MODEL, value: {{ .Values.model | quote }}}
{{- with .Values.publicUrl }}
- {name: NACRE_PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
{{- if .Values.postgres.url }}
- {name: NACRE_STORE, value: {{ include "nacre.place" . | quote }}}
{{- with .Values.postgres.passwordSecret }}
{{- if .name }}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "nacre.container" -}}
image: {{ include "nacre.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  {{- include "nacre.env" . | nindent 2 }}
{{- with .Values.envSecrets }}
envFrom:
  {{- range . }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/nacre, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if not .Values.postgres.url }}
  - {name: data, mountPath: /data}
  {{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- end }}
