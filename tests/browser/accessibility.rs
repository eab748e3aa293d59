//! Everybody can use it: without a mouse, without eyes, in the dark and on the phone.

use crate::support::{Device, Person, Server};

const ENTER: &str = "\u{E007}";
const SPACE: &str = " ";
const DOWN: &str = "\u{E015}";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_purchase_by_keyboard_alone() {
    let server = Server::start();
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.visits("/").await;
    ana.sees("Nothing for sale yet").await;
    ana.types("\u{E004}").await;
    assert_eq!(ana.focus().await, "Skip to content");
    ana.tabs_to("Sign Up").await;
    ana.types(ENTER).await;
    ana.sees("Already have an account?").await;
    // The new page's heading has the focus, so it is read out and the next stop is its form.
    assert_eq!(ana.focus().await, "Sign Up");
    ana.tabs_to("Email").await;
    ana.types("ana@example.com").await;
    ana.tabs_to("Password").await;
    ana.types(&format!("a fine pass phrase{ENTER}")).await;
    ana.sees("Sign Out").await;
    ana.visits("/tickets/new").await;
    ana.sees("Create a Ticket").await;
    ana.tabs_to("Something else").await;
    ana.types(ENTER).await;
    ana.sees("Continue").await;
    // The field that comes up has the focus.
    assert_eq!(ana.focus().await, "Title");
    ana.types(&format!("Rock Concert{ENTER}")).await;
    ana.sees("Leave it empty").await;
    assert_eq!(ana.focus().await, "Where and how many?");
    ana.tabs_to("Continue").await;
    ana.types(ENTER).await;
    ana.tabs_to("Price").await;
    ana.types(&format!("40{ENTER}")).await;
    ana.sees("Status - Available").await;
    assert_eq!(ana.focus().await, "Rock Concert");

    ben.signs_up("ben").await;
    ben.sees("Rock Concert").await;
    ben.tabs_to("Rock Concert - $40").await;
    ben.types(ENTER).await;
    ben.sees("Status - Available").await;
    ben.tabs_to("Purchase").await;
    ben.types(ENTER).await;
    ben.sees("left to order").await;
    ben.tabs_to("Pay").await;
    ben.types(SPACE).await;
    ben.sees("Choose a test card").await;
    assert_eq!(ben.focus().await, "Visa •••• 4242Succeeds");
    ben.types(DOWN).await;
    assert_eq!(ben.focus().await, "Visa •••• 0002Declined");
    ben.types("\u{E013}").await;
    ben.tabs_to("Pay $40").await;
    ben.types(ENTER).await;
    ben.sees("Order Complete").await;
    assert_eq!(ben.focus().await, "Rock Concert", "the focus is not lost");
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn no_page_has_an_accessibility_violation() {
    let server = Server::start();
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    let mut tickets = Vec::new();
    for (title, price) in [
        ("Rock Concert", "40"),
        ("Basketball Game", "20"),
        ("Jazz Night at the Blue Room", "35.5"),
        ("Opera: The Magic Flute, stalls", "129"),
        ("Football Final, block C row 12", "185"),
        ("Symphony No. 9, balcony", "64"),
        ("Stand-up Comedy Late Show", "18.5"),
        ("Indie Festival, Saturday", "99"),
        ("Ballet: Swan Lake", "88"),
    ] {
        tickets.push(ana.sells(title, price).await);
    }
    ben.signs_up("ben").await;
    let mut orders = Vec::new();
    for ticket in &tickets[..4] {
        ben.visits(ticket).await;
        ben.presses("Purchase").await;
        ben.sees("left to order").await;
        orders.push(ben.path().await);
    }
    ben.presses("Pay").await;
    ben.presses("Pay $129").await;
    ben.sees("Order Complete").await;
    ben.visits(&orders[2]).await;
    ben.presses("Pay").await;
    ben.pays_with("Visa •••• 0069Expired card", "Pay $35.50").await;
    ben.sees("Payment failed").await;

    let mut found = Vec::new();
    for device in [(false, false), (true, false), (false, true), (true, true)] {
        let (is_dark, is_phone) = device;
        let device = Device { is_dark, is_phone, ..Device::default() };
        let name = |page: &str| {
            let light = if is_dark { "dark" } else { "light" };
            format!("{page}-{}-{light}", if is_phone { "phone" } else { "desktop" })
        };
        let pages = [
            ("home", "/", "Symphony"),
            ("tickets", "/tickets", "Symphony"),
            ("mine", "/orders", "Paid"),
            ("order", orders[0].as_str(), "left to order"),
            ("paid", orders[3].as_str(), "Order Complete"),
            ("failed", orders[2].as_str(), "Payment failed"),
            ("ticket", tickets[4].as_str(), "Purchase"),
            ("held", tickets[0].as_str(), "Go on to pay"),
            ("sold", tickets[3].as_str(), "It's yours"),
            ("sell", "/tickets/new", "Create a Ticket"),
            ("nowhere", "/no/such/page", "We can't find that page"),
        ];
        ben.set_up(device).await;
        for (page, path, text) in pages {
            ben.visits(path).await;
            ben.sees(text).await;
            found.extend(ben.violations_on(&name(page)).await);
        }
        ben.visits(&orders[1]).await;
        ben.presses("Pay").await;
        ben.sees("Choose a test card").await;
        found.extend(ben.violations_on(&name("pay")).await);

        ana.set_up(device).await;
        for (page, path, text) in [
            ("selling", "/tickets/mine", "Locked"),
            ("account", "/account", "Change password"),
            ("own", tickets[5].as_str(), "Withdraw"),
            ("own-locked", tickets[0].as_str(), "can't be changed"),
            ("no-orders", "/orders", "No tickets yet"),
            ("none-found", "/?q=zzz", "Nothing matches"),
        ] {
            ana.visits(path).await;
            ana.sees(text).await;
            found.extend(ana.violations_on(&name(page)).await);
        }
        ana.visits(&tickets[5]).await;
        ana.presses("Edit").await;
        ana.enters("Title", " ").await;
        ana.presses("Save").await;
        ana.sees("Title is required").await;
        found.extend(ana.violations_on(&name("edit-refused")).await);
    }
    let cy = Person::at(&server).await;
    for is_dark in [false, true] {
        for is_phone in [false, true] {
            cy.set_up(Device { is_dark, is_phone, ..Device::default() }).await;
            for (page, path, submit) in [
                ("signup", "/auth/signup", "Create account"),
                ("signin", "/auth/signin", "Sign in"),
            ] {
                let light = if is_dark { "dark" } else { "light" };
                cy.visits(path).await;
                cy.presses(submit).await;
                cy.sees("Email must be valid").await;
                let size = if is_phone { "phone" } else { "desktop" };
                found.extend(cy.violations_on(&format!("{page}-{size}-{light}")).await);
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    tokio::join!(ana.leaves(), ben.leaves(), cy.leaves());
}
