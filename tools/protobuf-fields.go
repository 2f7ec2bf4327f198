//go:build ignore

// Prints src/apiserver/protobuf/fields.txt: which number each field of the Kubernetes kinds has in protobuf and what it is
// called in JSON, read from the struct tags of the published API types. One message per line; a field is NUMBER:NAME:TYPE.
//
//	NAME  "." for a field whose own fields stand in the message itself, "|" for one that stands in place of the message
//	TYPE  "*" a list of it, "%" a map from strings to it, "!" at its end: written in JSON even when it is zero
//
// To make it anew for another version of Kubernetes:
//
//	mkdir /tmp/fields && cd /tmp/fields && cp .../tools/protobuf-fields.go main.go && sed -i 1d main.go && go mod init fields
//	go get k8s.io/{api,apiextensions-apiserver,apimachinery}@v0.34.3 && go run . > .../src/apiserver/protobuf/fields.txt
package main

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscaling1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	events "k8s.io/api/events/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	scheduling "k8s.io/api/scheduling/v1"
	storage "k8s.io/api/storage/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kinds that a request's body can be.
var kinds = []any{
	core.Namespace{}, core.Node{}, core.Pod{}, core.Service{}, core.Endpoints{}, core.ConfigMap{}, core.Secret{}, core.Event{},
	core.ServiceAccount{}, core.PersistentVolumeClaim{}, core.PersistentVolume{}, core.ReplicationController{},
	core.ResourceQuota{}, core.LimitRange{}, core.PodTemplate{}, core.Binding{},
	apps.Deployment{}, apps.ReplicaSet{}, apps.DaemonSet{}, apps.StatefulSet{}, apps.ControllerRevision{},
	autoscaling1.Scale{}, autoscaling1.HorizontalPodAutoscaler{}, autoscaling.HorizontalPodAutoscaler{},
	batch.Job{}, batch.CronJob{}, networking.Ingress{}, networking.IngressClass{}, networking.NetworkPolicy{},
	discovery.EndpointSlice{}, events.Event{}, coordination.Lease{}, policy.PodDisruptionBudget{}, policy.Eviction{},
	storage.StorageClass{}, scheduling.PriorityClass{}, rbac.Role{}, rbac.RoleBinding{}, rbac.ClusterRole{},
	rbac.ClusterRoleBinding{}, apiextensions.CustomResourceDefinition{},
	authentication.TokenRequest{}, authentication.TokenReview{}, authentication.SelfSubjectReview{},
	authorization.SelfSubjectAccessReview{}, authorization.SubjectAccessReview{}, authorization.LocalSubjectAccessReview{},
	authorization.SelfSubjectRulesReview{}, meta.DeleteOptions{},
}

var special = map[string]string{
	"resource.Quantity": "quantity", "meta/v1.Time": "time", "meta/v1.MicroTime": "microtime", "intstr.IntOrString": "intstr",
	"meta/v1.FieldsV1": "json", "runtime.RawExtension": "json", "apiextensions/v1.JSON": "json", "meta/v1.Duration": "duration",
}

// Unions that are written as one of their parts, so in JSON they have no field names.
var union = map[string]bool{
	"apiextensions/v1.JSONSchemaPropsOrArray": true, "apiextensions/v1.JSONSchemaPropsOrBool": true,
	"apiextensions/v1.JSONSchemaPropsOrStringArray": true,
}

func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	last := parts[len(parts)-1]
	if strings.HasPrefix(last, "v") && len(last) < 4 {
		return parts[len(parts)-2] + "/" + last + "." + t.Name()
	}
	return last + "." + t.Name()
}

var done = map[string]string{}

func kind(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return kind(t.Elem())
	}
	if s, ok := special[name(t)]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int64:
		return "int"
	case reflect.Uint8:
		return "uint8"
	case reflect.Float64:
		return "double"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		if m := t.Name(); m != "" { // ExtraValue: a message with one list
			return "list"
		}
		return "*" + kind(t.Elem())
	case reflect.Map:
		return "%" + kind(t.Elem())
	case reflect.Struct:
		message(t)
		return name(t)
	}
	panic(t.String())
}

func message(t reflect.Type) {
	if _, ok := done[name(t)]; ok {
		return
	}
	done[name(t)] = ""
	var fields []string
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		pb := strings.Split(f.Tag.Get("protobuf"), ",")
		js := strings.Split(f.Tag.Get("json"), ",")
		if len(pb) < 2 {
			continue
		}
		json := js[0]
		if json == "" && (len(js) > 1 && js[1] == "inline" || f.Anonymous) {
			json = "."
		}
		if union[name(t)] {
			json = "|"
		}
		// What Go's JSON leaves out when it is zero (no mark), and what it writes all the same (!).
		keep := ""
		if f.Type.Kind() == reflect.Pointer || len(js) < 2 {
			keep = "!"
		}
		of := kind(f.Type)
		if of == "list" && pb[2] == "rep" { // a named list that is written field by field like any other
			of = "*" + kind(f.Type.Elem())
		}
		fields = append(fields, fmt.Sprintf("%s:%s:%s%s", pb[1], json, of, keep))
	}
	done[name(t)] = strings.Join(fields, " ")
}

func main() {
	for _, k := range kinds {
		message(reflect.TypeOf(k))
	}
	var names []string
	for n := range done {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Println(strings.TrimSpace(n + " " + done[n]))
	}
}
