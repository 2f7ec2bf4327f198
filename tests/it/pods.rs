//! What leads into pods and what describes the API: OpenAPI, strict writes, logs, commands, ports, metrics, access.

mod arms;
mod conformance;
mod kubectl;
mod openapi;
