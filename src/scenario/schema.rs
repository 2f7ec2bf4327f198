//! The JSON Schema of scenario files, for editors: draft 2020-12, made from [`super::format`].

use crate::model::canary::Phase;
use crate::model::fault::FaultKind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// What `$id` says. It is a name and no address: the schema comes out of the binary, so it fits the binary.
pub const SCHEMA_ID: &str = "urn:coalmine:scenario:v1";

/// The schema, ready to be printed.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<super::format::File>();
    schema.insert("$id".to_owned(), SCHEMA_ID.into());
    schema.to_value()
}

/// Phases that a Canary can be seen in.
pub(super) const PHASES: [Phase; 10] = [
    Phase::Initializing,
    Phase::Initialized,
    Phase::Waiting,
    Phase::Progressing,
    Phase::WaitingPromotion,
    Phase::Promoting,
    Phase::Finalising,
    Phase::Succeeded,
    Phase::Failed,
    Phase::Terminating,
];

/// Verdicts that can be expected. A run that a person ends has no verdict to expect.
pub(super) const VERDICTS: [&str; 3] = ["promoted", "rolled-back", "undecided"];

/// A duration as [`crate::model::duration::parse_go`] reads it.
const DURATION: &str = r"^(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$";

fn runtime_faults() -> Vec<&'static str> {
    FaultKind::ALL.into_iter().filter(|it| !it.lives_in_template()).map(FaultKind::name).collect()
}

fn template_faults() -> Vec<&'static str> {
    FaultKind::ALL.into_iter().filter(|it| it.lives_in_template()).map(FaultKind::name).collect()
}

/// Declares types whose only use is their schema.
macro_rules! shapes {
    ($($(#[doc = $doc:literal])+ $name:ident => $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub(super) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema: Schema = $schema;
                schema.insert("description".to_owned(), Value::from([$($doc.trim()),+].join(" ")));
                schema
            }
        }
    )+};
}

shapes! {
    /// Lower case letters, digits and dashes.
    Name => json_schema!({"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"});
    /// A duration as Go writes it: 500ms, 30s, 1m30s.
    GoDuration => json_schema!({"type": "string", "pattern": DURATION});
    /// Text, or a number or boolean that is taken as its text.
    Scalar => json_schema!({"type": ["string", "number", "boolean"]});
    /// The name of a file, relative to the scenario, or a whole Kubernetes object.
    Manifest => json_schema!({"anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "object", "required": ["apiVersion", "kind", "metadata"]},
    ]});
    /// When requests arrive, in requests per second.
    Arrivals => json_schema!({"oneOf": [
        one_key("constant", &json!({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATE})),
        one_key("poisson", &json!({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATE})),
        one_key("ramp", &json!({
            "type": "object",
            "properties": {
                "from": {"type": "number", "minimum": 0, "maximum": MAX_RATE},
                "to": {"type": "number", "minimum": 0, "maximum": MAX_RATE},
                "over": {"type": "string", "pattern": DURATION},
            },
            "required": ["from", "to", "over"],
            "additionalProperties": false,
        })),
    ]});
    /// An HTTP method.
    Method => json_schema!({"type": "string", "enum": METHODS});
    /// A path, with its query.
    Path => json_schema!({"type": "string", "pattern": "^/"});
    /// A phase of a Canary, as Flagger spells it.
    PhaseName => json_schema!({"type": "string", "enum": PHASES.map(Phase::name)});
    /// How a run ends.
    VerdictName => json_schema!({"type": "string", "enum": VERDICTS});
    /// A weight in percent.
    Percentage => json_schema!({"type": "integer", "minimum": 0, "maximum": 100});
    /// A share: from 0 to 1, or a percentage in text.
    Rate => json_schema!({"anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"},
    ]});
    /// A fault that is switched on while the app runs.
    RuntimeFault => json_schema!({"type": "string", "enum": runtime_faults()});
    /// A fault that a release brings along: its name, or `slow-start` with its delay.
    TemplateFault => json_schema!({"anyOf": [
        {"type": "string", "enum": template_faults()},
        one_key("slow-start", &json!({"type": "string", "pattern": DURATION})),
    ]});
    /// How long an added delay is: a duration, or a distribution.
    Delay => json_schema!({"anyOf": [
        {"type": "string", "pattern": DURATION},
        one_key("uniform", &durations(&["min", "max"])),
        one_key("normal", &durations(&["mean", "stdDev"])),
        one_key("exponential", &durations(&["mean"])),
    ]});
    /// A number, or bounds.
    CountOrBounds => json_schema!({"anyOf": [
        {"type": "integer", "minimum": 0},
        {
            "type": "object",
            "properties": {
                "atLeast": {"type": "integer", "minimum": 0},
                "atMost": {"type": "integer", "minimum": 0},
            },
            "minProperties": 1,
            "additionalProperties": false,
        },
    ]});
}

/// Steps that need no fields.
const BARE_STEPS: [&str; 4] = ["openGate", "closeGate", "rollBack", "faultOff"];

/// One step: a map whose only key is its kind, or the bare name of a step that needs no fields.
pub(super) enum Step {}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        "StepOrName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let step = generator.subschema_for::<super::format::StepFile>();
        json_schema!({"anyOf": [step, {"type": "string", "enum": BARE_STEPS}]})
    }
}

/// Highest rate of one stream, in requests per second.
pub(super) const MAX_RATE: f64 = 100_000.0;
/// Methods that a stream may use.
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn one_key(key: &str, value: &Value) -> Value {
    json!({"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": false})
}

fn durations(keys: &[&str]) -> Value {
    let each = json!({"type": "string", "pattern": DURATION});
    let properties: serde_json::Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), each.clone())).collect();
    json!({"type": "object", "properties": properties, "required": keys, "additionalProperties": false})
}
