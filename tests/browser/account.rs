//! The account, and the way to everything that is one's own.

use gittix::seams::{Clock, SystemClock};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::support::{Person, Server};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_address_and_a_password_are_changed_on_the_page_of_the_account() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.presses("ana@example.com").await;
    ana.sees("You are signed in as ana@example.com").await;
    ana.enters("New email", "not an address").await;
    ana.enters_in("Change email", "Current password", "a fine pass phrase").await;
    ana.presses("Change email").await;
    ana.sees("Email must be valid").await;
    ana.enters("New email", "anna@example.com").await;
    ana.enters_in("Change email", "Current password", "a wrong pass phrase").await;
    ana.presses("Change email").await;
    ana.sees("The current password isn't right").await;
    ana.enters_in("Change email", "Current password", "a fine pass phrase").await;
    ana.presses("Change email").await;
    ana.sees("Your email address is changed").await;
    ana.sees("You are signed in as anna@example.com").await;

    ana.enters_in("Change password", "Current password", "a fine pass phrase").await;
    ana.enters("New password", "password1").await;
    ana.presses("Change password").await;
    ana.sees("too easy to guess").await;
    ana.enters("New password", "another fine phrase").await;
    ana.presses("Change password").await;
    ana.sees("Your password is changed").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    ana.presses("Sign Out").await;
    ana.visits("/account").await;
    ana.enters("Email", "anna@example.com").await;
    ana.enters("Password", "another fine phrase").await;
    ana.presses("Sign in").await;
    ana.sees("You are signed in as anna@example.com").await;
    ana.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn another_device_is_signed_out_on_the_page_of_the_account() {
    let server = Server::start();
    let (ana, other) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    other.visits("/auth/signin").await;
    other.enters("Email", "ana@example.com").await;
    other.enters("Password", "a fine pass phrase").await;
    other.presses("Sign in").await;
    other.sees("ana@example.com").await;
    ana.visits("/account").await;
    ana.sees("This device").await;
    let end = "document.querySelector('.items button').click()";
    ana.runs(end).await;
    ana.sees("is signed out.").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    other.visits("/account").await;
    other.sees("Sign in").await;
    ana.visits("/account").await;
    ana.sees("This device").await;
    assert_eq!(ana.runs("return document.querySelectorAll('.item').length").await, 1);
    tokio::join!(ana.leaves(), other.leaves());
}

/// What an authenticator app shows of a secret that was typed into it.
fn code_of(secret: &str) -> String {
    let step = SystemClock.now().as_seconds() / 30;
    let letter = |letter: u8| u64::from(letter - if letter >= b'A' { b'A' } else { b'2' - 26 });
    let letters: Vec<u64> = secret.bytes().filter(|it| *it != b' ').map(letter).collect();
    let five = |eight: &[u64]| eight.iter().fold(0, |bits, letter| bits << 5 | letter);
    let bytes = letters.chunks(8).flat_map(|eight| five(eight).to_be_bytes()[3..].to_vec());
    let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&bytes.collect::<Vec<u8>>());
    let hash = mac.expect("a key").chain_update(step.to_be_bytes()).finalize().into_bytes();
    let at = usize::from(hash[19] & 0xf);
    let number = hash[at..at + 4].iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn two_step_sign_in_is_set_up_and_asked_for() {
    let server = Server::start();
    let ana = Person::at(&server).await;
    ana.signs_up("ana").await;
    ana.visits("/account").await;
    ana.enters_in("Set it up", "Current password", "a fine pass phrase").await;
    ana.presses("Set it up").await;
    ana.sees("Scan this picture").await;
    let secret = ana.runs("return document.querySelector('.secret').textContent").await;
    ana.enters("Code", &code_of(secret.as_str().expect("a secret"))).await;
    ana.presses("Turn it on").await;
    ana.sees("Two-step sign-in is on.").await;
    let recovery = ana.runs("return document.querySelector('.secret li').textContent").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    ana.presses("Sign Out").await;
    ana.visits("/auth/signin").await;
    ana.enters("Email", "ana@example.com").await;
    ana.enters("Password", "a fine pass phrase").await;
    ana.presses("Sign in").await;
    ana.sees("Enter the code").await;
    ana.enters("Code", "000000").await;
    ana.presses("Sign in").await;
    ana.sees("That code isn't right").await;
    ana.enters("Code", recovery.as_str().expect("a code")).await;
    ana.presses("Sign in").await;
    ana.sees("Sign Out").await;
    ana.visits("/account").await;
    ana.enters_in("Turn it off", "Current password", "a fine pass phrase").await;
    ana.presses("Turn it off").await;
    ana.sees("Two-step sign-in is off.").await;
    ana.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_one_sells_is_one_step_away_and_called_so() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.sells("Opera", "30").await;
    ana.presses("Selling").await;
    ana.sees("Buying").await;
    assert_eq!(ana.path().await, "/tickets/mine");
    let header = "return document.querySelector('#nav [aria-current]').textContent";
    assert_eq!(ana.runs(header).await, "Selling");
    ana.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_address_is_confirmed_and_a_forgotten_password_replaced_by_links_in_mail() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.visits("/account").await;
    ana.sees("Your address is not confirmed yet").await;
    ana.presses("Send the link again").await;
    ana.sees("A message with a new link is on its way").await;
    assert_eq!(ana.violations_on("account-unconfirmed").await, Vec::<String>::new());
    ana.visits(&server.link_of_letter("verify-address.").await).await;
    ana.sees("Confirm the address").await;
    assert_eq!(ana.path().await, "/verify", "the address keeps no secret");
    assert_eq!(ana.violations_on("verify").await, Vec::<String>::new());
    ana.visits(&server.link_of_letter(".1.eml").await).await;
    ana.presses("Confirm the address").await;
    ana.sees("Your address is confirmed.").await;
    assert_eq!(ana.violations_on("verify-done").await, Vec::<String>::new());
    ana.visits("/account").await;
    ana.sees("Your address is confirmed.").await;
    ana.presses("Sign Out").await;

    ana.visits("/auth/signin").await;
    ana.presses("Forgot your password?").await;
    ana.sees("We send you a link").await;
    ana.enters("Email", "ana@example.com").await;
    ana.presses("Send the link").await;
    ana.sees("If there is an account with this address").await;
    assert_eq!(ana.violations_on("forgotten").await, Vec::<String>::new());
    let link = server.link_of_letter("reset-password.").await;
    ana.visits(&link).await;
    ana.enters("New password", "password1").await;
    ana.presses("Set password").await;
    ana.sees("too easy to guess").await;
    ana.enters("New password", "another fine phrase").await;
    ana.presses("Set password").await;
    ana.sees("Your password is set").await;
    assert_eq!(ana.violations_on("reset-done").await, Vec::<String>::new());
    ana.visits("/").await;
    ana.visits(&link).await;
    ana.enters("New password", "yet another phrase").await;
    ana.presses("Set password").await;
    ana.sees("This link was used already").await;
    assert_eq!(ana.violations_on("reset-used").await, Vec::<String>::new());
    ana.leaves().await;
}
