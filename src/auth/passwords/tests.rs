use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::*;

/// Bytes that differ from call to call.
#[derive(Default)]
struct Counting(AtomicU8);
impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn threaded(settings: PasswordSettings) -> Passwords {
    Passwords::start(settings, Arc::new(Counting::default())).unwrap()
}

fn inline(settings: PasswordSettings) -> Passwords {
    Passwords::inline(settings, Arc::new(Counting::default())).unwrap()
}

/// Where a client is.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

const RIGHT: Verdict = Verdict { ok: true, needs_rehash: false };
const WRONG: Verdict = Verdict { ok: false, needs_rehash: false };

#[tokio::test]
async fn a_password_matches_its_own_hash_and_no_other_does() {
    for passwords in [threaded(PasswordSettings::weakest()), inline(PasswordSettings::weakest())] {
        let phc = passwords.hash(secret("correct horse"), HOME).await.unwrap();
        let verify = |text| passwords.verify(secret(text), Some(phc.clone()), HOME);
        assert_eq!(verify("correct horse").await, Ok(RIGHT));
        for wrong in ["correct horsf", "Correct horse", "correct horse ", "", &"x".repeat(100_000)]
        {
            assert_eq!(verify(wrong).await, Ok(WRONG), "{wrong:.20}");
        }
    }
}

#[tokio::test]
async fn two_hashes_of_one_password_differ() {
    let passwords = inline(PasswordSettings::weakest());
    let first = passwords.hash(secret("correct horse"), HOME).await.unwrap();
    assert_ne!(first, passwords.hash(secret("correct horse"), HOME).await.unwrap());
}

#[tokio::test]
async fn the_default_parameters_are_owasps() {
    let phc =
        inline(PasswordSettings::default()).hash(secret("correct horse"), HOME).await.unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
}

#[tokio::test]
async fn a_hash_made_elsewhere_is_understood() {
    // Made by the reference implementation: argon2 -id -k 256 -t 2 -p 1 of "password", "somesalt".
    let phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ\
               $nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let passwords = inline(PasswordSettings::weakest());
    let verdict = passwords.verify(secret("password"), Some(phc.to_owned()), HOME).await;
    assert_eq!(verdict, Ok(Verdict { ok: true, needs_rehash: true }));
}

#[tokio::test]
async fn an_unknown_account_is_always_wrong() {
    let passwords = threaded(PasswordSettings::weakest());
    assert_eq!(passwords.verify(secret("correct horse"), None, HOME).await, Ok(WRONG));
}

#[tokio::test]
async fn an_unknown_account_fills_as_much_memory_as_a_known_one() {
    let filled = |passwords: &Passwords| match &passwords.place {
        Place::Inline(memory) => memory.lock().unwrap().0.len(),
        Place::Threads(_) => unreachable!(),
    };
    let settings = PasswordSettings { memory_kib: 64, ..PasswordSettings::weakest() };
    let passwords = inline(settings);
    passwords.verify(secret("x"), None, HOME).await.unwrap();
    assert_eq!(filled(&passwords), 64);
}

#[tokio::test]
async fn a_hash_with_other_parameters_needs_a_new_one_only_if_the_password_is_right() {
    let old =
        inline(PasswordSettings::weakest()).hash(secret("correct horse"), HOME).await.unwrap();
    let stronger = PasswordSettings { memory_kib: 16, ..PasswordSettings::weakest() };
    let passwords = inline(stronger);
    let verify = |text| passwords.verify(secret(text), Some(old.clone()), HOME);
    assert_eq!(verify("correct horse").await, Ok(Verdict { ok: true, needs_rehash: true }));
    assert_eq!(verify("wrong").await, Ok(WRONG));
}

#[tokio::test]
async fn a_damaged_hash_is_an_error_and_not_a_panic() {
    let passwords = inline(PasswordSettings::weakest());
    let phc = passwords.hash(secret("correct horse"), HOME).await.unwrap();
    let damaged =
        ["", "$", "plain", "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAA"];
    for phc in damaged.into_iter().chain([&phc[..20], &phc[..phc.len() - 44]]) {
        let verdict = passwords.verify(secret("x"), Some(phc.to_owned()), HOME).await;
        assert_eq!(verdict, Err(PasswordError::Unreadable), "{phc}");
    }
}

#[test]
fn unusable_settings_are_refused() {
    let none = PasswordSettings { passes: 0, ..PasswordSettings::weakest() };
    let refused = Passwords::inline(none, Arc::new(Counting::default()));
    assert!(matches!(refused, Err(StartError::Parameters(_))));
}

#[tokio::test]
async fn a_password_is_the_same_however_its_letters_are_composed() {
    let passwords = inline(PasswordSettings::weakest());
    let composed = passwords.hash(secret("crème brûlée"), HOME).await.unwrap();
    let decomposed = "cre\u{300}me bru\u{302}le\u{301}e";
    let verify = |text, phc: &String| passwords.verify(secret(text), Some(phc.clone()), HOME);
    assert_eq!(verify(decomposed, &composed).await, Ok(RIGHT));
    let decomposed = passwords.hash(secret(decomposed), HOME).await.unwrap();
    assert_eq!(verify("crème brûlée", &decomposed).await, Ok(RIGHT));
    assert_eq!(verify("creme brulee", &decomposed).await, Ok(WRONG));
    // As a Japanese keyboard may give it.
    let wide = passwords.hash(secret("ｃｏｒｒｅｃｔ　ｈｏｒｓｅ"), HOME).await.unwrap();
    assert_eq!(verify("correct horse", &wide).await, Ok(RIGHT));
}

#[tokio::test]
async fn a_hash_of_the_characters_as_they_came_goes_on_working_and_is_replaced() {
    let passwords = inline(PasswordSettings::weakest());
    let text = "cre\u{300}me bru\u{302}le\u{301}e";
    let old = {
        let (salt, mut output) = ([7; 16], [0; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, passwords.params.clone());
        argon2.hash_password_into(text.as_bytes(), &salt, &mut output).unwrap();
        phc_string(&passwords.params, &salt, &output).unwrap()
    };
    let verify = |text| passwords.verify(secret(text), Some(old.clone()), HOME);
    assert_eq!(verify(text).await, Ok(Verdict { ok: true, needs_rehash: true }));
    assert_eq!(verify("cre\u{300}me").await, Ok(WRONG));
}

#[tokio::test]
async fn an_unknown_account_costs_as_many_hashes_as_a_known_one() {
    let passwords = inline(PasswordSettings::weakest());
    let phc = passwords.hash(secret("correct horse"), HOME).await.unwrap();
    for (text, hashes) in [("wrong horse", 1), ("wrong ho\u{308}rse", 2)] {
        for stored in [Some(phc.clone()), None] {
            let before = passwords.computed();
            assert_eq!(passwords.verify(secret(text), stored, HOME).await, Ok(WRONG));
            assert_eq!(passwords.computed() - before, hashes, "{text}");
        }
    }
}

/// Keeps the only thread of a pool busy until it is dropped.
struct Hold {
    _release: mpsc::Sender<()>,
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Starts a job that holds the thread, and returns once it runs.
fn hold(pool: &Arc<Pool>) -> Hold {
    let (release, released) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    let job: Job = Box::new(move |_| {
        started.send(()).unwrap();
        let _ = released.recv();
    });
    assert!(pool.queue.push(job, HOME).unwrap().is_none());
    running.recv().unwrap();
    Hold { _release: release }
}

#[tokio::test]
async fn a_full_queue_is_busy_and_recovers() {
    let pool = Arc::new(Pool::start(1, 2).unwrap());
    let held = hold(&pool);
    let waiting: Vec<_> = (0..2)
        .map(|n| {
            let pool = Arc::clone(&pool);
            let mut job = Box::pin(async move { pool.run(HOME, move |_| Ok(n)).await });
            assert!(!poll_once(job.as_mut()));
            job
        })
        .collect();
    assert_eq!(pool.run(HOME, |_| Ok(9)).await, Err(PasswordError::Busy));
    drop(held);
    for (n, job) in waiting.into_iter().enumerate() {
        assert_eq!(job.await, Ok(n));
    }
    assert_eq!(pool.run(HOME, |_| Ok(9)).await, Ok(9));
}

#[tokio::test]
async fn whoever_fills_the_queue_makes_room_for_others() {
    let pool = Arc::new(Pool::start(1, 2).unwrap());
    let held = hold(&pool);
    let job = |from: IpAddr| {
        let pool = Arc::clone(&pool);
        let mut job = Box::pin(async move { pool.run(from, |_| Ok(())).await });
        assert!(!poll_once(job.as_mut()));
        job
    };
    let (first, second) = (job(HOME), job(HOME));
    let other = job(IpAddr::from([198, 51, 100, 1]));
    assert_eq!(second.await, Err(PasswordError::Busy));
    drop(held);
    assert_eq!((first.await, other.await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_caller_that_went_away_is_skipped() {
    let pool = Arc::new(Pool::start(1, 8).unwrap());
    let ran = Arc::new(AtomicUsize::new(0));
    let held = hold(&pool);
    let counted = |pool: &Arc<Pool>| {
        let (pool, ran) = (Arc::clone(pool), Arc::clone(&ran));
        Box::pin(
            async move { pool.run(HOME, move |_| Ok(ran.fetch_add(1, Ordering::SeqCst))).await },
        )
    };
    let (mut gone, mut stays) = (counted(&pool), counted(&pool));
    assert!(!poll_once(gone.as_mut()));
    assert!(!poll_once(stays.as_mut()));
    drop(gone);
    drop(held);
    assert_eq!(stays.await, Ok(0), "the one that stayed is the first to run");
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_not_the_pool() {
    let pool = Pool::start(1, 8).unwrap();
    for _ in 0..3 {
        let answer = pool.run::<()>(HOME, |_| panic!("injected")).await;
        assert_eq!(answer, Err(PasswordError::Failed));
        assert_eq!(pool.run(HOME, |_| Ok(1)).await, Ok(1));
    }
}

#[tokio::test]
async fn several_threads_work_off_one_queue() {
    let settings = PasswordSettings { threads: 4, ..PasswordSettings::weakest() };
    let passwords = Arc::new(threaded(settings));
    let phc = passwords.hash(secret("correct horse"), HOME).await.unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (passwords, phc) = (Arc::clone(&passwords), phc.clone());
            tokio::spawn(
                async move { passwords.verify(secret("correct horse"), Some(phc), HOME).await },
            )
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(RIGHT));
    }
}

#[test]
fn dropping_ends_the_threads() {
    let passwords = threaded(PasswordSettings { threads: 3, ..PasswordSettings::weakest() });
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        drop(passwords);
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(10)).expect("the threads did not end");
}
