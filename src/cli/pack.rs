//! `coalmine pack`: every image of a real lab in one file.

use super::Exit;
use super::args::PackArgs;
use super::real;
use super::terminal::{complain, failure, say};
use crate::lab::real::images_of_lab;
use crate::machine::{Engine, Environment, Pack, ToPack};
use crate::scenario::plan::{Act, Plan};
use crate::scenario::{MISSING_TAG, builtin};
use serde_json::Value;

pub(crate) fn pack(args: &PackArgs) -> Exit {
    let (images, own_images) = match real::images(args.stack.images.as_deref()) {
        Ok(read) => read,
        Err(error) => {
            complain(&failure("no pack", &error));
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&failure("the runtime could not be made", &error));
            return Exit::Lab;
        }
    };
    let made = runtime.block_on(async {
        let engine = Engine::connect(&Environment::of_this_process()).await.map_err(|it| failure("no pack", &it))?;
        let names = images_of_lab(&images, args.stack.router, args.stack.grafana, &releases());
        let names = names.map_err(|it| failure("no pack", &it))?;
        let tell = |text: &str| complain(&format!("{text}\n"));
        let what = ToPack { node: &images.node, images: &names, own_images: own_images.as_deref() };
        let pack = Pack::write(&engine, what, &args.output, &tell).await;
        pack.map_err(|it| failure("no pack", &it))
    });
    match made {
        Ok(pack) => {
            let images = pack.list.images.len() + 1;
            say(&format!(
                "{} has {images} images; `coalmine up --lab kind --pack {0}` needs no network\n",
                pack.path.display()
            ));
            Exit::AsExpected
        }
        Err(text) => {
            complain(&text);
            Exit::Lab
        }
    }
}

/// What the built-in scenarios release, but for what no registry has.
fn releases() -> Vec<Value> {
    let plans = builtin::names().into_iter().filter_map(|it| builtin::load(it)?.0);
    plans.flat_map(released).filter(|it| !it.to_string().contains(MISSING_TAG)).collect()
}

fn released(plan: Plan) -> impl Iterator<Item = Value> {
    plan.steps.into_iter().filter_map(|step| match step.act {
        Act::Release(release) => Some(release.patch),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Images, Profile};

    #[test]
    fn what_the_built_in_scenarios_release_is_packed_and_what_nobody_has_is_not() {
        let names = images_of_lab(&Images::default(), Profile::Builtin, false, &releases()).unwrap();
        let of_app: Vec<&String> = names.iter().filter(|it| it.contains("stefanprodan")).collect();
        assert_eq!(of_app, ["ghcr.io/stefanprodan/podinfo:6.9.2", "ghcr.io/stefanprodan/podinfo:6.9.3"]);
        assert!(!names.iter().any(|it| it.contains("coalmine")), "{names:?}");
        let stands_in = "standIns: {'ghcr.io/stefanprodan/podinfo:6.9.3': 'my/podinfo:6.9.2'}";
        let images = Images::default().with(stands_in).unwrap();
        let names = images_of_lab(&images, Profile::Builtin, false, &releases()).unwrap();
        assert!(names.contains(&"my/podinfo:6.9.2".to_owned()), "{names:?}");
        assert!(!names.iter().any(|it| it.ends_with(":6.9.3")), "{names:?}");
    }
}
