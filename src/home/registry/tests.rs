use super::*;
use crate::home::{Controller, Kubernetes, LabKind};
use tempfile::TempDir;

fn home() -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(&folder.path().join("state"));
    (folder, home)
}

fn name(text: &str) -> LabName {
    text.parse().unwrap()
}

fn record() -> Record {
    Record::new(LabKind::Embedded, Controller::Builtin, "2026-01-01T00:00:00Z".to_owned())
}

fn endpoints(claim: &Claim) -> Endpoints {
    Endpoints {
        kubernetes: Kubernetes {
            server: "https://127.0.0.1:6443".to_owned(),
            kubeconfig: claim.path("kubeconfig"),
            context: "coalmine-a".to_owned(),
        },
        prometheus: "http://127.0.0.1:9090".to_owned(),
        entry: "http://127.0.0.1:8080".to_owned(),
        metrics: None,
        network: None,
    }
}

fn claimed(home: &Home, text: &str) -> Box<Claim> {
    match home.claim(&name(text), record()).unwrap() {
        Claimed::Ours(claim) => claim,
        Claimed::Taken(found) => panic!("{found:?}"),
    }
}

fn state_of(home: &Home, text: &str) -> Option<State> {
    home.find(&name(text)).unwrap().map(|it| it.state)
}

/// The record's file, for breaking it.
fn file(home: &Home, text: &str) -> PathBuf {
    home.labs.join(text).join(RECORD)
}

#[test]
fn a_lab_is_starting_then_ready_then_gone() {
    let (_folder, home) = home();
    assert_eq!(state_of(&home, "a"), None);
    let mut claim = claimed(&home, "a");
    assert_eq!(state_of(&home, "a"), Some(State::Starting));
    assert!(matches!(home.ready(&name("a")), Err(NotReady::Starting { .. })));
    let endpoints = endpoints(&claim);
    claim.ready(endpoints.clone()).unwrap();
    assert_eq!(state_of(&home, "a"), Some(State::Ready));
    let (record, found) = home.ready(&name("a")).unwrap();
    assert_eq!((record.pid, found), (Some(std::process::id()), endpoints));
    claim.release().unwrap();
    assert_eq!(state_of(&home, "a"), None);
    assert!(!home.labs.join("a").exists(), "nothing is left");
}

#[test]
fn a_taken_name_says_who_has_it_and_another_name_is_free() {
    let (_folder, home) = home();
    let _claim = claimed(&home, "a");
    let Claimed::Taken(found) = home.claim(&name("a"), record()).unwrap() else { panic!("claimed twice") };
    assert_eq!(found.record.unwrap().pid, Some(std::process::id()));
    let _other = claimed(&home, "b");
    let names: Vec<String> = home.labs().unwrap().iter().map(|it| it.name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_a_killed_lab_left_is_stale_and_stops_nobody() {
    let (_folder, home) = home();
    let mut claim = claimed(&home, "a");
    claim.write("token", "old").unwrap();
    claim.ready(endpoints(&claim)).unwrap();
    // As kill -9 leaves it: the lock is free, the files are there.
    drop(claim);
    assert_eq!(state_of(&home, "a"), Some(State::Stale));
    assert!(matches!(home.ready(&name("a")), Err(NotReady::Stale { .. })));
    let claim = claimed(&home, "a");
    assert!(!claim.path("token").exists(), "old credentials go");
    assert_eq!(state_of(&home, "a"), Some(State::Starting));
    assert!(!home.forget(&name("a")).unwrap(), "a living lab is not forgotten");
    drop(claim);
    assert!(home.forget(&name("a")).unwrap());
    assert!(home.forget(&name("a")).unwrap(), "and a second time");
    assert_eq!(state_of(&home, "a"), None);
}

#[test]
fn a_lab_without_a_process_is_as_alive_as_its_record_says() {
    let (_folder, home) = home();
    let mut claim = claimed(&home, "a");
    claim.record.pid = None;
    claim.ready(endpoints(&claim)).unwrap();
    drop(claim);
    assert_eq!(state_of(&home, "a"), Some(State::Ready));
}

#[test]
fn a_lab_that_lives_in_no_process_is_gone_on_with_however_its_maker_ended() {
    let (_folder, home) = home();
    let kind = || Record { kind: LabKind::Kind, ..record() };
    let claim = |record| match home.claim(&name("a"), record).unwrap() {
        Claimed::Ours(claim) => claim,
        Claimed::Taken(found) => panic!("{found:?}"),
    };
    let first = claim(kind());
    assert!(!first.is_resumed());
    first.write("kubeconfig", "mine").unwrap();
    // Killed half-way, then gone on with, then whole, then gone on with.
    drop(first);
    let mut second = claim(kind());
    assert!(second.is_resumed() && second.path("kubeconfig").exists());
    second.ready(endpoints(&second)).unwrap();
    second.settle().unwrap();
    assert!(matches!(home.claim(&name("a"), record()).unwrap(), Claimed::Taken(_)), "not by a lab of another kind");
    let third = claim(kind());
    assert!(third.is_resumed() && third.path("kubeconfig").exists());
    third.release().unwrap();
    assert!(!claim(kind()).is_resumed(), "what was released is forgotten");
}

#[test]
fn a_lab_that_cannot_be_written_down_leaves_nothing() {
    let (_folder, home) = home();
    claimed(&home, "a").release().unwrap();
    // What is written aside cannot be written where a folder lies: as little as on a full disk.
    let folder = home.labs.join("a");
    std::fs::create_dir_all(folder.join("lab.new/in the way")).unwrap();
    let error = home.claim(&name("a"), record()).unwrap_err().to_string();
    assert!(error.contains("could not be written") && error.contains("XDG_STATE_HOME"), "{error}");
    assert!(!folder.exists());
}

#[test]
fn a_broken_record_names_its_file_and_what_to_do_and_hides_no_other_lab() {
    let (_folder, home) = home();
    let claims = [claimed(&home, "a"), claimed(&home, "b")];
    let good = std::fs::read_to_string(file(&home, "a")).unwrap();
    let cases = [
        ("", "EOF while parsing"),
        ("{\"version\":", "EOF while parsing"),
        ("[]", "it has no version"),
        ("{\"version\": 99}", "it has version 99, and this coalmine reads 1"),
        (&good.replace("\"builtin\"", "\"mine\""), "unknown variant `mine`"),
        (&good.replace("\"kind\"", "\"kin\""), "missing field `kind`"),
    ];
    for (text, why) in cases {
        std::fs::write(file(&home, "a"), text).unwrap();
        let all = home.labs().unwrap();
        let error = all[0].record.as_ref().unwrap_err().to_string();
        assert!(error.contains(file(&home, "a").to_str().unwrap()), "{error}");
        assert!(error.contains(why) && error.ends_with("`coalmine down --name a` removes it"), "{error}");
        assert!(all[1].record.is_ok());
        assert!(home.ready(&name("a")).is_err());
        assert_eq!(all[0].holder, Some(std::process::id()), "known all the same, for ending it");
    }
    drop(claims);
    assert!(home.forget(&name("a")).unwrap());
    let _again = claimed(&home, "b");
}

#[test]
fn a_lab_that_is_not_there_names_those_that_are() {
    let (_folder, home) = home();
    let text = |home: &Home| home.ready(&name("a")).unwrap_err().to_string();
    assert_eq!(text(&home), "there is no lab `a`: `coalmine up --name a` makes it");
    let _claims = [claimed(&home, "b"), claimed(&home, "c")];
    assert_eq!(text(&home), "there is no lab `a`: `coalmine up --name a` makes it; there is `b`, `c`");
}

#[test]
fn looking_makes_no_files_and_strangers_are_left_alone() {
    let (folder, home) = home();
    assert!(home.labs().unwrap().is_empty() && home.forget(&name("a")).unwrap());
    assert!(!folder.path().join("state").exists());
    let _claim = claimed(&home, "a");
    std::fs::create_dir(home.labs.join("Not_A_Lab")).unwrap();
    std::fs::create_dir(home.labs.join("empty")).unwrap();
    assert_eq!(home.labs().unwrap().len(), 1);
}

#[test]
fn a_log_of_this_claim_stays_and_others_go() {
    let (_folder, home) = home();
    std::fs::create_dir_all(home.labs.join("a")).unwrap();
    std::fs::write(home.labs.join("a/log-1"), "of before").unwrap();
    let (_file, path) = home.log(&name("a")).unwrap();
    let with_log = Record { log: Some(path.clone()), ..record() };
    let Claimed::Ours(claim) = home.claim(&name("a"), with_log).unwrap() else { panic!("nobody has it") };
    assert!(path.exists() && !claim.path("log-1").exists());
}

#[test]
fn folders_are_0700_and_files_0600() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, home) = home();
    let claim = claimed(&home, "a");
    claim.write("token", "secret").unwrap();
    let mut open = vec![folder.path().join("state")];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        let data = std::fs::metadata(&path).unwrap();
        let expected = if data.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(data.permissions().mode() & 0o777, expected, "{}", path.display());
        seen += 1;
        if data.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|it| it.unwrap().path()));
        }
    }
    assert_eq!(seen, 7, "state, labs, .gate, a, lock, lab.json, token");
}

#[test]
fn a_place_that_cannot_be_written_to_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let home = Home::at(&blocked);
    let error = home.claim(&name("a"), record()).unwrap_err().to_string();
    assert!(error.starts_with(blocked.to_str().unwrap()) && error.contains("XDG_STATE_HOME"), "{error}");
}

#[test]
fn many_who_look_never_stop_a_claim() {
    let (_folder, home) = home();
    drop(claimed(&home, "a"));
    std::thread::scope(|scope| {
        let lookers: Vec<_> = (0..3).map(|_| scope.spawn(|| (0..200).all(|_| home.find(&name("a")).is_ok()))).collect();
        for _ in 0..200 {
            drop(claimed(&home, "a"));
        }
        assert!(lookers.into_iter().all(|it| it.join().unwrap()));
    });
}
