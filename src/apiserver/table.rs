//! `meta.k8s.io/v1 Table`: what `kubectl get` prints.

use super::http::{Include, Shown};
use super::kinds::Kind;
use serde_json::{Value, json};
use std::sync::Arc;

/// The rows of these objects under the columns of their kind.
pub fn table(kind: &Kind, _version: &str, objects: &[Arc<Value>], metadata: Value, options: Shown) -> Value {
    let columns = json!([{ "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 }]);
    let rows: Vec<_> = objects
        .iter()
        .map(|it| {
            let mut row = json!({ "cells": [it.pointer("/metadata/name")] });
            match options.include {
                Include::None => {}
                Include::Metadata => {
                    row["object"] = json!({
                        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": it.get("metadata")
                    });
                }
                Include::Object => row["object"] = (**it).clone(),
            }
            row
        })
        .collect();
    let _ = kind;
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows
    })
}
