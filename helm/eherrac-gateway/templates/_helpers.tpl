{{- define "gateway.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "gateway.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "gateway.name" .) -}}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{/* The kubelet shows no certificate: where TLS is mutual its HTTPS probes are turned away, and every pod killed for it. */}}
{{- define "gateway.probe" -}}
{{- $scheme := .root.Values.probes.scheme -}}
{{- if and (regexMatch `(?m)^\s*tls_client_ca\s*=` .root.Values.config) (ne $scheme "TCP") -}}
{{- fail "http.tls_client_ca makes TLS mutual, and the kubelet has no certificate: set probes.scheme=TCP" -}}
{{- end -}}
{{- if eq $scheme "TCP" -}}
tcpSocket: { port: doors }
{{- else -}}
httpGet: { path: {{ .path }}, port: doors, scheme: {{ $scheme }} }
{{- end -}}
{{- end -}}
