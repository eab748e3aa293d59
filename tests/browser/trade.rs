//! People trade tickets.

use std::time::Duration;

use crate::support::{Device, Person, Server};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn two_people_trade_a_ticket_from_sign_up_to_sold() {
    let server = Server::start();
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    ben.signs_up("ben").await;
    ben.visits("/").await;
    ben.sees("Nothing for sale yet").await;

    let ticket = ana.sells("Rock Concert", "40").await;
    ana.sees("Price - $40").await;
    let took = ben.sees("Rock Concert - $40").await;
    assert!(took < Duration::from_secs(2), "a new ticket took {took:?} to appear");
    ben.reloads().await;
    ben.presses("Rock Concert - $40").await;
    ben.sees("Status - Available").await;
    assert_eq!(ben.path().await, ticket);

    ben.presses("Purchase").await;
    ben.sees("Purchasing Rock Concert").await;
    let text = ben.text().await;
    assert!(text.contains("You have 14:5") || text.contains("You have 15:00"), "{text}");
    let took = ana.sees("Status - Locked").await;
    assert!(took < Duration::from_secs(2), "the lock took {took:?} to appear");
    ana.sees("can't be changed").await;
    ana.reloads().await;
    ana.sees("Status - Locked").await;

    ben.reloads().await;
    ben.sees("Purchasing Rock Concert").await;
    ben.presses("Pay").await;
    ben.reloads().await;
    ben.presses("Pay").await;
    ben.sees("Choose a test card").await;
    ben.presses("Pay $40").await;
    ben.sees("Order Complete").await;
    ben.sees("It's yours").await;
    ana.sees("Status - Sold").await;
    ben.reloads().await;
    ben.sees("Order Complete").await;
    ben.presses("My Tickets").await;
    ben.sees("Paid").await;
    ana.visits("/tickets/mine").await;
    ana.sees("Sold").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_hold_runs_out_before_their_eyes_whatever_their_clock_says() {
    let server = Server::with(&[("GITTIX_ORDERS__HOLD_SECONDS", "3")]);
    let late = Device { clock_off_by_hours: 26, ..Device::default() };
    let (ana, ben) = tokio::join!(Person::at(&server), Person::with(&server, late));
    ana.signs_up("ana").await;
    let ticket = ana.sells("Jazz Night", "35.5").await;
    ben.signs_up("ben").await;
    ben.visits(&ticket).await;
    ben.sees("Price - $35.50").await;
    ben.presses("Purchase").await;
    ben.sees("You have 0:03 left to order").await;
    ana.sees("Status - Locked").await;
    ben.sees("You have 0:01 left to order").await;
    let took = ben.sees("Order Expired").await;
    assert!(took < Duration::from_millis(2500), "it took {took:?} to say so");
    ben.sees("You were not charged").await;
    ana.sees("Status - Available").await;
    ben.presses("See the ticket").await;
    ben.sees("Status - Available").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_declined_card_says_why_and_another_may_be_tried() {
    let server = Server::with(&[("GITTIX_PAYMENTS__MAX_ATTEMPTS", "2")]);
    let (ana, ben) = Person::seller_and_buyer(&server, "Opera", "129").await;
    ben.goes_on_to_pay().await;
    ben.pays_with("Visa •••• 9995Insufficient funds", "Pay $129").await;
    ben.sees("insufficient funds.").await;
    if !ben.text().await.contains("Choose a test card") {
        ben.presses("Pay").await;
    }
    ben.pays_with("Visa •••• 0002Declined", "Pay $129").await;
    ben.sees("Payment failed").await;
    ben.sees("The card was declined. You were not charged").await;
    ana.sees("Status - Available").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_bank_that_asks_is_answered_in_the_page() {
    let server = Server::start();
    let (ana, ben) = Person::seller_and_buyer(&server, "Ballet", "88").await;
    ben.goes_on_to_pay().await;
    ben.pays_with("Visa •••• 31553-D Secure: the bank asks you", "Pay $88").await;
    ben.sees("Is it you?").await;
    ben.sees("Go on to your bank").await;
    // The question outlives a reload.
    ben.reloads().await;
    ben.sees("Go on to your bank").await;
    assert_eq!(ben.jumps().await, Vec::<String>::new());
    ben.presses("Go on to your bank").await;
    ben.sees("Is it you?").await;
    assert!(ben.violations().await.is_empty());
    ben.is_pictured("bank").await;
    ben.presses("Yes, pay").await;
    ben.sees("Order Complete").await;
    ana.sees("Status - Sold").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_payment_that_waits_for_the_bank_goes_on_in_another_tab_or_is_given_up() {
    let server = Server::start();
    let (ana, ben) = Person::seller_and_buyer(&server, "Ballet", "88").await;
    ben.goes_on_to_pay().await;
    ben.pays_with("Visa •••• 31553-D Secure: the bank asks you", "Pay $88").await;
    ben.sees("Is it you?").await;
    // Another tab knows nothing of what this one was told.
    ben.runs("sessionStorage.clear()").await;
    ben.reloads().await;
    ben.sees("Waiting for your bank").await;
    ben.presses("Go on to your bank").await;
    ben.sees("Is it you?").await;
    ben.types("\u{E00C}").await;
    ben.presses("Use another card").await;
    ben.sees("left to order").await;
    ben.sees_no_more("Waiting for your bank").await;
    ben.presses("Pay").await;
    ben.pays_with("Visa •••• 4242Succeeds", "Pay $88").await;
    ben.sees("Order Complete").await;
    ana.sees("Status - Sold").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_seller_edits_and_withdraws_and_onlookers_see_it() {
    let server = Server::start();
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    let ticket = ana.sells("Hocky Derby", "45").await;
    ben.visits(&ticket).await;
    ben.sees("Sign in to purchase").await;
    ana.presses("Edit").await;
    ana.enters("Price", "0").await;
    ana.presses("Save").await;
    ana.sees("Price must be greater than 0").await;
    ana.enters("Title", "Hockey Derby").await;
    ana.enters("Price", "45.25").await;
    ana.presses("Save").await;
    ben.sees("Hockey Derby").await;
    ben.sees("Price - $45.25").await;
    ana.presses("Withdraw").await;
    ana.sees("Withdraw this ticket?").await;
    ana.presses("Keep it").await;
    ana.sees("Status - Available").await;
    ana.presses("Withdraw").await;
    ana.sees("Withdraw this ticket?").await;
    ana.presses_in_dialog("Withdraw").await;
    ana.sees("You aren't selling anything").await;
    ben.sees("Status - Withdrawn").await;
    ben.reloads().await;
    ben.sees("We can't find that ticket").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_list_is_searched_filtered_and_sorted() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    for (title, price) in [("Rock Concert", "40"), ("Basketball Game", "20"), ("Rock Opera", "60")]
    {
        ana.sells(title, price).await;
    }
    ana.visits("/tickets").await;
    ana.sees("Basketball Game - $20").await;
    ana.enters("Search", "roc").await;
    ana.sees_no_more("Basketball").await;
    ana.sees("Rock Concert").await;
    ana.enters("Lowest price", "50").await;
    ana.sees_no_more("Rock Concert").await;
    ana.sees("Rock Opera").await;
    // The address is the search, so it can be shared and come back to.
    ana.reloads().await;
    ana.sees("Rock Opera").await;
    ana.sees_no_more("Rock Concert").await;
    ana.enters("Search", "nothing of the kind").await;
    ana.sees("Nothing matches").await;
    ana.presses("Clear filters").await;
    ana.presses("Rock Concert - $40").await;
    ana.sees("Status - Available").await;
    ana.goes_back().await;
    ana.sees("Tickets For Sale").await;
    ana.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_lost_connection_is_told_comes_back_and_catches_up() {
    let server = Server::start();
    let ben = Person::at(&server).await;
    ben.visits("/").await;
    ben.sees("Live").await;
    server.kill();
    ben.sees("Connection lost").await;
    server.start_again();
    let ana = Person::signed_up(&server, "ana").await;
    ana.sells("While you were away", "10").await;
    ben.sees("While you were away - $10").await;
    ben.sees_no_more("Connection lost").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn whoever_signs_out_is_out_everywhere() {
    let server = Server::start();
    let ana = Person::at(&server).await;
    ana.visits("/orders").await;
    ana.sees("Sign In").await;
    assert_eq!(ana.path().await, "/auth/signin");
    ana.presses("Sign up").await;
    ana.enters("Email", "not an address").await;
    ana.enters("Password", "short").await;
    ana.presses("Create account").await;
    ana.sees("Email must be valid").await;
    ana.sees("Password must be between 8 and 128 characters").await;
    ana.enters("Email", "ana@example.com").await;
    ana.enters("Password", "a fine pass phrase").await;
    ana.presses("Create account").await;
    // On to where they wanted to go.
    ana.sees("No tickets yet").await;
    ana.presses("Sign Out").await;
    ana.sees("Sign Up").await;
    ana.sees_no_more("My Tickets").await;
    ana.visits("/tickets/mine").await;
    ana.enters("Email", "ana@example.com").await;
    ana.enters("Password", "a wrong pass phrase").await;
    ana.presses("Sign in").await;
    ana.sees("That email and password don't match").await;
    ana.enters("Password", "a fine pass phrase").await;
    ana.presses("Sign in").await;
    ana.sees("You aren't selling anything").await;
    ana.leaves().await;
}
