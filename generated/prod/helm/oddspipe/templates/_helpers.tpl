{{/* Labels of every object; dict "root" and "component". */}}
{{- define "oddspipe.labels" -}}
{{ include "oddspipe.selector" . }}
app.kubernetes.io/managed-by: Helm
app.kubernetes.io/part-of: oddspipe
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
oddspipe.io/environment: {{ .root.Values.environment }}
oddspipe.io/team: {{ .root.Values.team }}
oddspipe.io/deployment: {{ .root.Values.digests.deployment | trunc 16 | quote }}
{{- end -}}

{{/* What never changes of a component: immutable in a StatefulSet. */}}
{{- define "oddspipe.selector" -}}
app.kubernetes.io/name: oddspipe
app.kubernetes.io/instance: {{ .root.Values.sport | replace "_" "-" }}
app.kubernetes.io/component: {{ .component }}
oddspipe.io/sport: {{ .root.Values.sport | quote }}
{{- end -}}

{{/* Name of a component's objects. */}}
{{- define "oddspipe.name" -}}
{{ .root.Values.sport | replace "_" "-" }}-{{ .component }}
{{- end -}}
