//! `coalmine pack`: every image of a real lab in one file.

use super::Exit;
use super::args::PackArgs;
use super::real;
use super::terminal::{complain, failure, say};
use crate::lab::real::images_of_lab;
use crate::machine::{Engine, Environment, Pack};

pub(crate) fn pack(args: &PackArgs) -> Exit {
    let images = match real::images(args.stack.images.as_deref()) {
        Ok((images, _)) => images,
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
        let names =
            images_of_lab(&images, args.stack.router, args.stack.grafana).map_err(|it| failure("no pack", &it))?;
        let tell = |text: &str| complain(&format!("{text}\n"));
        let pack = Pack::write(&engine, &images.node, &names, &args.output, &tell).await;
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
