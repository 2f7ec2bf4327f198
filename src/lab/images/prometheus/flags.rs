//! The flags of Prometheus that the lab's obeys, or can take without harm.

use crate::metrics::api::{MAX_CONCURRENT_QUERIES, Settings};
use crate::metrics::rules::Millis;
use std::collections::BTreeMap;

/// A flag with what it is when it is not given. A switch has `false`.
const KNOWN: [(&str, &str); 17] = [
    ("config.file", "prometheus.yml"),
    ("log.format", "logfmt"),
    ("log.level", "info"),
    ("query.lookback-delta", "5m"),
    ("query.max-concurrency", ""),
    ("query.max-samples", "10000000"),
    ("query.timeout", "2m"),
    ("storage.tsdb.path", "data/"),
    ("storage.tsdb.retention.time", "6h"),
    ("web.config.file", ""),
    ("web.console.libraries", "console_libraries"),
    ("web.console.templates", "consoles"),
    ("web.enable-admin-api", "false"),
    ("web.enable-lifecycle", "false"),
    ("web.external-url", ""),
    ("web.listen-address", "0.0.0.0:9090"),
    ("web.page-title", "Prometheus Time Series Collection and Processing Server"),
];

/// What the flags say.
pub(super) struct Flags {
    pub(super) config_file: String,
    /// How long samples are kept, in milliseconds.
    pub(super) retention_ms: i64,
    pub(super) settings: Settings,
}

/// Reads `--name=value`, `--name value` and switches.
pub(super) fn read(arguments: &[String]) -> Result<Flags, String> {
    let failed = |why: String| format!("Error parsing command line arguments: {why}");
    let mut flags: BTreeMap<String, String> = KNOWN.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    flags.insert("query.max-concurrency".to_owned(), MAX_CONCURRENT_QUERIES.to_string());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let flag = argument.strip_prefix("--").ok_or_else(|| failed(format!("unexpected {argument}")))?;
        let (name, given) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        let Some((_, default)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Err(failed(format!("unknown long flag '--{name}'")));
        };
        let value = match (given, *default) {
            (Some(value), _) => value,
            (None, "false") => "true".to_owned(),
            (None, _) => {
                arguments.next().cloned().ok_or_else(|| failed(format!("expected argument for flag '--{name}'")))?
            }
        };
        flags.insert(name.to_owned(), value);
    }
    settled(flags).map_err(failed)
}

fn settled(flags: BTreeMap<String, String>) -> Result<Flags, String> {
    let get = |name: &str| flags.get(name).map_or("", String::as_str);
    let millis = |name: &str| {
        let read: Result<Millis, _> = serde_json::from_value(get(name).into());
        read.map(|millis| millis.0).map_err(|why| format!("--{name}: {why}"))
    };
    if get("web.enable-admin-api") == "true" {
        return Err("--web.enable-admin-api is not supported by the embedded lab".to_owned());
    }
    let max_samples = get("query.max-samples");
    let max_samples = max_samples.parse().map_err(|_| format!("--query.max-samples: {max_samples:?} is no number"))?;
    Ok(Flags {
        config_file: get("config.file").to_owned(),
        retention_ms: millis("storage.tsdb.retention.time")?.max(1),
        settings: Settings {
            timeout_ms: millis("query.timeout")?,
            max_samples,
            lookback_ms: millis("query.lookback-delta")?,
            lifecycle: get("web.enable-lifecycle") == "true",
            flags,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Result<Flags, String> {
        read(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_obeyed_or_refused() {
        let read = flags("--config.file=/a.yml --query.timeout 30s --web.enable-lifecycle").map_err(|_| ()).unwrap();
        assert_eq!((read.config_file.as_str(), read.settings.timeout_ms), ("/a.yml", 30_000));
        assert!(read.settings.lifecycle);
        assert_eq!(read.settings.flags["query.lookback-delta"], "5m");
        for (text, why) in [
            ("--enable-feature=native-histograms", "unknown long flag '--enable-feature'"),
            ("--query.timeout", "expected argument for flag '--query.timeout'"),
            ("--query.timeout=soon", "--query.timeout: not a valid duration string"),
            ("--web.enable-admin-api", "not supported"),
            ("config.file", "unexpected config.file"),
        ] {
            let refused = flags(text).err().unwrap();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
