//! Looking for labs, and claiming a name for one.

use super::files;
use super::record::{Endpoints, LabKind, Record, VERSION};
use super::{LabName, PlaceError, state_folder};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LABS: &str = "labs";
const GATE: &str = ".gate";
const LOCK: &str = "lock";
const RECORD: &str = "lab.json";

/// Where labs are written down. Cheap to clone; it holds a path and nothing open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    labs: PathBuf,
}

/// What is known of one lab.
#[derive(Debug)]
pub struct Found {
    pub name: LabName,
    pub state: State,
    /// The living process that made it or makes it, known even where the record cannot be read.
    pub holder: Option<u32>,
    /// What its maker wrote; the error names the file and says what to do.
    pub record: Result<Record, HomeError>,
}

/// How a lab stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Somebody is making it.
    Starting,
    /// It can be used.
    Ready,
    /// It is written down and not there: its process was killed, or its making was.
    Stale,
}

impl State {
    /// `Starting`, `Ready` or `Stale`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Ready => "Ready",
            Self::Stale => "Stale",
        }
    }
}

/// Why labs could not be read or written down.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("{} could not be {did}: {why}. XDG_STATE_HOME says where labs are written down", path.display())]
    Io { path: PathBuf, did: &'static str, why: io::Error },
    #[error(
        "{} cannot be understood: {why}. It was broken, or written by another version of coalmine: \
        `coalmine down --name {name}` removes it",
        path.display()
    )]
    Broken { name: LabName, path: PathBuf, why: String },
}

/// Why a lab that was asked for cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("there is no lab `{name}`: `coalmine up --name {name}` makes it{}", and_there_is(.others))]
    NoLab { name: LabName, others: Vec<LabName> },
    #[error("the lab `{name}` is still being made: `coalmine status --name {name}` shows when it is ready")]
    Starting { name: LabName },
    #[error("the lab `{name}` is gone, its process was killed: `coalmine up --name {name}` makes it again")]
    Stale { name: LabName },
}

fn and_there_is(names: &[LabName]) -> String {
    let names: Vec<String> = names.iter().map(|it| format!("`{it}`")).collect();
    if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
}

/// Nobody looks or claims while one of these is held.
struct Gate {
    _file: files::Locked,
}

impl Home {
    /// This user's, as the environment says ([`state_folder`]).
    pub fn of_user() -> Result<Self, HomeError> {
        Ok(Self::at(&state_folder()?))
    }

    /// A state folder of one's own; it is made with the first claim.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { labs: folder.join(LABS) }
    }

    /// Where a lab's files lie, whether there are any or not.
    #[must_use]
    pub fn folder(&self, name: &LabName) -> PathBuf {
        self.labs.join(name.as_str())
    }

    /// All labs, by name.
    pub fn labs(&self) -> Result<Vec<Found>, HomeError> {
        let Some(_gate) = self.look()? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.labs).map_err(failed("read", &self.labs))? {
            let entry = entry.map_err(failed("read", &self.labs))?;
            // Whatever else somebody put here is none of ours.
            names.extend(entry.file_name().to_str().and_then(|it| it.parse::<LabName>().ok()));
        }
        names.sort();
        names.into_iter().filter_map(|name| self.found(name).transpose()).collect()
    }

    /// What is known of a lab; none if nothing is.
    pub fn find(&self, name: &LabName) -> Result<Option<Found>, HomeError> {
        let Some(_gate) = self.look()? else { return Ok(None) };
        self.found(name.clone())
    }

    /// A lab that can be used now, and how it is reached.
    pub fn ready(&self, name: &LabName) -> Result<(Record, Endpoints), NotReady> {
        let Some(found) = self.find(name)? else {
            let others = self.labs()?.into_iter().map(|it| it.name).collect();
            return Err(NotReady::NoLab { name: name.clone(), others });
        };
        match (found.state, found.record?) {
            (State::Ready, record @ Record { endpoints: Some(_), .. }) => {
                let endpoints = record.endpoints.clone();
                Ok((record, endpoints.expect("the pattern says that there are endpoints")))
            }
            (State::Stale, _) => Err(NotReady::Stale { name: found.name }),
            _ => Err(NotReady::Starting { name: found.name }),
        }
    }

    /// Claims a name for this process and writes `record` down, with this process's number. What a killed lab left goes, but
    /// for one that lives in no process: that goes on ([`Claim::is_resumed`]).
    pub fn claim(&self, name: &LabName, record: Record) -> Result<Claimed, HomeError> {
        let folder = self.labs.join(name.as_str());
        files::make_folder(&folder).map_err(failed("made", &folder))?;
        let _gate = self.gate()?;
        // Somebody may have released the name, and its folder, before the gate was ours.
        files::make_folder(&folder).map_err(failed("made", &folder))?;
        let path = folder.join(LOCK);
        let lock = files::open_lock(&path).map_err(failed("opened", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Ok(Claimed::Taken(found(name.clone(), &folder, Held::By(pid_in(&path)))));
            }
            Err(TryLockError::Error(why)) => return Err(failed("locked", &path)(why)),
        }
        let before = read(name, &folder.join(RECORD)).ok();
        // A lab that lives in no process is not held by any, and is there all the same.
        let lasting = before.as_ref().is_some_and(|it| it.kind != LabKind::Embedded);
        let is_same = before.is_some_and(|it| it.kind == record.kind);
        if lasting && !is_same {
            return Ok(Claimed::Taken(found(name.clone(), &folder, Held::Free)));
        }
        let resumed = lasting && is_same;
        let record = Record { pid: Some(std::process::id()), ..record };
        let claim =
            Claim { home: self.clone(), name: name.clone(), folder, record, resumed, _lock: files::Locked(lock) };
        if let Err(why) = claim.begin(&path) {
            if !resumed {
                // Of a lab that never was, nothing is to stay; why it could not be is what is told.
                let _ = files::remove_folder(&claim.folder);
            }
            return Err(why);
        }
        Ok(Claimed::Ours(Box::new(claim)))
    }

    /// A fresh log file for a lab that this process is about to start in another one, and its path. It has this process's
    /// number in its name, so that two who start the same lab at once do not write into one file.
    pub fn log(&self, name: &LabName) -> Result<(File, PathBuf), HomeError> {
        let folder = self.labs.join(name.as_str());
        files::make_folder(&folder).map_err(failed("made", &folder))?;
        let _gate = self.gate()?;
        files::make_folder(&folder).map_err(failed("made", &folder))?;
        let path = folder.join(format!("log-{}", std::process::id()));
        Ok((files::create(&path).map_err(failed("made", &path))?, path))
    }

    /// Removes what is written down about a lab that nobody is alive in. Says whether it is gone; a living one stays.
    pub fn forget(&self, name: &LabName) -> Result<bool, HomeError> {
        let Some(_gate) = self.look()? else { return Ok(true) };
        let folder = self.labs.join(name.as_str());
        if held(&folder)? != Held::Free {
            return Ok(false);
        }
        files::remove_folder(&folder).map_err(failed("removed", &folder))?;
        Ok(true)
    }

    /// Removes what killed runs left: their labs ended with them, and nobody else asks for their names again.
    pub fn sweep_runs(&self) -> Result<(), HomeError> {
        let killed = |it: &Found| it.state == State::Stale && it.record.as_ref().is_ok_and(|it| it.run.is_some());
        for lab in self.labs()?.into_iter().filter(killed) {
            self.forget(&lab.name)?;
        }
        Ok(())
    }

    fn gate(&self) -> Result<Gate, HomeError> {
        let path = self.labs.join(GATE);
        let file = files::open_lock(&path).map_err(failed("opened", &path))?;
        file.lock().map_err(failed("locked", &path))?;
        Ok(Gate { _file: files::Locked(file) })
    }

    /// The gate for looking; none where no lab was ever claimed, so that looking makes no files.
    fn look(&self) -> Result<Option<Gate>, HomeError> {
        let path = self.labs.join(GATE);
        match File::open(&path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(failed("opened", &path)(why)),
            Ok(file) => {
                file.lock().map_err(failed("locked", &path))?;
                Ok(Some(Gate { _file: files::Locked(file) }))
            }
        }
    }

    /// Inside the gate.
    fn found(&self, name: LabName) -> Result<Option<Found>, HomeError> {
        let folder = self.labs.join(name.as_str());
        let held = held(&folder)?;
        let known = held != Held::Free || folder.join(RECORD).exists();
        Ok(known.then(|| found(name, &folder, held)))
    }
}

fn failed(did: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HomeError {
    let path = path.to_owned();
    move |why| HomeError::Io { path, did, why }
}

/// Whether a living process holds a lab's lock, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Free,
    By(Option<u32>),
}

fn pid_in(lock: &Path) -> Option<u32> {
    std::fs::read_to_string(lock).ok()?.parse().ok()
}

fn found(name: LabName, folder: &Path, held: Held) -> Found {
    let record = read(&name, &folder.join(RECORD));
    let (state, holder) = match held {
        Held::Free => (state(&record, false), None),
        Held::By(pid) => (state(&record, true), pid),
    };
    Found { name, state, holder, record }
}

/// Inside the gate.
fn held(folder: &Path) -> Result<Held, HomeError> {
    let path = folder.join(LOCK);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Held::Free),
        Err(why) => return Err(failed("opened", &path)(why)),
    };
    match lock.try_lock_shared() {
        Ok(()) => {
            drop(files::Locked(lock));
            Ok(Held::Free)
        }
        Err(TryLockError::WouldBlock) => Ok(Held::By(pid_in(&path))),
        Err(TryLockError::Error(why)) => Err(failed("locked", &path)(why)),
    }
}

fn read(name: &LabName, path: &Path) -> Result<Record, HomeError> {
    let bytes = std::fs::read(path).map_err(failed("read", path))?;
    let broken = |why: String| HomeError::Broken { name: name.clone(), path: path.to_owned(), why };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|it| broken(it.to_string()))?;
    match value["version"].as_u64() {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => return Err(broken(format!("it has version {version}, and this coalmine reads {VERSION}"))),
        None => return Err(broken("it has no version".to_owned())),
    }
    serde_json::from_value(value).map_err(|it| broken(it.to_string()))
}

fn state(record: &Result<Record, HomeError>, held: bool) -> State {
    let ready = record.as_ref().is_ok_and(|it| it.endpoints.is_some());
    let needs_process = record.as_ref().map_or(true, |it| it.pid.is_some());
    match (held, ready) {
        (true, true) => State::Ready,
        (true, false) => State::Starting,
        (false, true) if !needs_process => State::Ready,
        (false, _) => State::Stale,
    }
}

/// What came of claiming a name.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, never kept")]
pub enum Claimed {
    Ours(Box<Claim>),
    /// A living process has it, or a lab of another kind that lives in none.
    Taken(Found),
}

/// A name that this process has. Dropping it frees the name and leaves the files, for whoever wants to know what
/// happened; [`Claim::release`] removes them too.
#[derive(Debug)]
pub struct Claim {
    home: Home,
    name: LabName,
    folder: PathBuf,
    record: Record,
    resumed: bool,
    _lock: files::Locked,
}

impl Claim {
    #[must_use]
    pub fn name(&self) -> &LabName {
        &self.name
    }

    /// A lab that lives in no process was written down under this name before, whole or half made, and this goes on with it:
    /// its files are still there.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The record comes first: whoever is killed after it has left a lab that is written down, and can be ended.
    fn begin(&self, lock: &Path) -> Result<(), HomeError> {
        std::fs::write(lock, std::process::id().to_string()).map_err(failed("written", lock))?;
        self.write_record()?;
        if self.resumed { Ok(()) } else { self.clear() }
    }

    /// What is written down now.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where a file of this lab lies.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Writes a file of this lab (a kubeconfig, a token) at once and for this user only; says where it lies.
    pub fn write(&self, file: &str, text: &str) -> Result<PathBuf, HomeError> {
        let path = self.path(file);
        files::replace(&path, text.as_bytes()).map_err(failed("written", &path))?;
        Ok(path)
    }

    /// Writes down that the lab can be used from now on.
    pub fn ready(&mut self, endpoints: Endpoints) -> Result<(), HomeError> {
        self.record.endpoints = Some(endpoints);
        self.write_record()
    }

    /// Writes down that the lab lives without this process, and frees the name.
    pub fn settle(mut self) -> Result<Record, HomeError> {
        self.record.pid = None;
        self.write_record()?;
        Ok(self.record)
    }

    /// Frees the name and removes all that was written down.
    pub fn release(self) -> Result<(), HomeError> {
        let _gate = self.home.gate()?;
        files::remove_folder(&self.folder).map_err(failed("removed", &self.folder))
    }

    fn write_record(&self) -> Result<(), HomeError> {
        let text = serde_json::to_string_pretty(&self.record).expect("a record is plain data");
        self.write(RECORD, &(text + "\n")).map(drop)
    }

    /// Removes what an earlier lab of this name left, but for the lock, the record, which is this lab's by now, and its own log.
    fn clear(&self) -> Result<(), HomeError> {
        for entry in std::fs::read_dir(&self.folder).map_err(failed("read", &self.folder))? {
            let entry = entry.map_err(failed("read", &self.folder))?;
            let is_kept = entry.file_name() == LOCK || entry.file_name() == RECORD;
            if !is_kept && Some(entry.path()) != self.record.log {
                files::remove(&entry.path()).map_err(failed("removed", &entry.path()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
