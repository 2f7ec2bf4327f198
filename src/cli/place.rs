//! Which lab is meant, and on which clock.

use super::args::{ClockArg, RunArgs, TrafficArg};
use super::{real, terminal};
use crate::home::{Home, LabKind, LabName};
use crate::lab::real::adapt;
use crate::lab::{Address, Reach};
use crate::scenario::Plan;
use crate::session::{Place, TrafficFrom};

/// Where a run takes place; the error is a text for people, and bad usage.
pub(crate) fn of_run(args: &RunArgs) -> Result<Place, String> {
    match (&args.lab, args.clock, args.speed) {
        (Some(name), Some(ClockArg::Simulated), _) => Err(format!(
            "coalmine: the lab `{name}` is up and runs on the wall clock; --clock simulated is for a lab made for the run: \
             leave out --lab\n"
        )),
        (Some(name), _, Some(_)) => Err(format!(
            "coalmine: --speed is for the simulated clock; the lab `{name}` runs on the wall clock, which has one speed\n"
        )),
        (Some(name), ..) => reach(name).map(Place::Remote),
        (None, Some(ClockArg::Wall), Some(_)) => {
            Err("coalmine: --speed is for the simulated clock; the wall clock has one speed\n".to_owned())
        }
        (None, Some(ClockArg::Wall), None) => {
            let home = Home::of_user().map_err(|it| terminal::failure("no lab", &it))?;
            Ok(Place::Wall { home, name: args.name.clone() })
        }
        (None, Some(ClockArg::Simulated) | None, _) if args.name.is_some() => {
            Err("coalmine: --name is for a lab that others can join: add --clock wall\n".to_owned())
        }
        (None, Some(ClockArg::Simulated) | None, _) => Ok(Place::Simulated),
    }
}

/// How a lab that is up is reached; the error is a text for people.
pub(crate) fn reach(name: &LabName) -> Result<Reach, String> {
    let in_words = |error: &dyn std::error::Error| terminal::failure("no lab", error);
    let home = Home::of_user().map_err(|it| in_words(&it))?;
    let (_, endpoints) = home.ready(name).map_err(|it| in_words(&it))?;
    Reach::of(name, &endpoints).map_err(|it| in_words(&it))
}

/// Who sends users' requests; the error is a text for people.
pub(crate) fn traffic_from(args: &RunArgs, place: &Place) -> Result<TrafficFrom, String> {
    let (TrafficArg::Cluster, Some(name)) = (args.traffic_from, &args.lab) else { return Ok(TrafficFrom::Here) };
    let Place::Remote(Reach { entry: Some(Address::Service { namespace, name: service, port }), .. }) = place else {
        return Err(format!(
            "coalmine: the lab `{name}` has no nodes that a pod could run on: --traffic-from cluster is for labs on real \
             clusters; leave it out\n"
        ));
    };
    let in_words = |error: &dyn std::error::Error| terminal::failure("no requests from inside", error);
    let home = Home::of_user().map_err(|it| in_words(&it))?;
    let (record, _) = home.ready(name).map_err(|it| in_words(&it))?;
    let image = real::own_image(&home, name, &record).map_err(|it| in_words(&it))?;
    Ok(TrafficFrom::Cluster { image, base: format!("http://{service}.{namespace}.svc:{port}") })
}

/// Makes a scenario's objects fit the lab that is up, as far as it is one on a real cluster; the error is a text for people.
pub(crate) fn fit(plan: &mut Plan, args: &RunArgs) -> Result<(), String> {
    let Some(name) = &args.lab else { return Ok(()) };
    let home = Home::of_user().map_err(|it| terminal::failure("no lab", &it))?;
    let (record, _) = home.ready(name).map_err(|it| terminal::failure("no lab", &it))?;
    if record.kind != LabKind::Embedded {
        let kept = real::images_kept(&home, name);
        let (images, _) = real::images(kept.as_deref()).map_err(|it| terminal::failure("no lab", &it))?;
        adapt(&mut plan.objects, &images, record.existing.as_ref());
    }
    Ok(())
}
