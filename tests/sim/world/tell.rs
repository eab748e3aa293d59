//! What happens, in words that fit on a line.

use std::fmt::Debug;

use gittix::domain::{
    ChargeView, IntentReport, LoggedEvent, OrderView, Part, Subject, Ticket, TicketState, UserEvent,
};

use super::answers::{Answered, Asked};

/// An id without the part that most ids of a simulation have in common.
pub fn id(id: &impl ToString) -> String {
    let text = id.to_string();
    let (kind, number) = text.split_once('_').unwrap_or(("", &text));
    // The middle is time and the last few characters are chance.
    let tail = number.get(number.len().saturating_sub(5)..).unwrap_or(number);
    format!("{kind} {tail}")
}

/// What a client asks for.
pub fn asked(asked: &Asked) -> String {
    match asked {
        Asked::SignUp { address } => format!("for an account: {address}"),
        Asked::ChangeAddress { user, address } => format!("to move {} to {address}", id(user)),
        Asked::List { title, quantity, split, .. } => {
            format!("to list {quantity} of {title:?}, {}", split.name())
        }
        Asked::Edit { ticket, by, price, title, expected } => {
            let only = at_version(*expected);
            let title = title.as_ref().map(|title| format!(" and call it {title:?}"));
            let title = title.unwrap_or_default();
            format!("to price {} at {price}{title}{only}, as {}", id(ticket), id(by))
        }
        Asked::Withdraw { ticket, by, expected } => {
            format!("to withdraw {}{}, as {}", id(ticket), at_version(*expected), id(by))
        }
        Asked::Reserve { ticket, by, quantity } => {
            let of = quantity.map(|quantity| format!("{quantity} of ")).unwrap_or_default();
            format!("to lock {of}{}, as {}", id(ticket), id(by))
        }
        Asked::Cancel { order, by } => format!("to cancel {}, as {}", id(order), id(by)),
        Asked::Pay { order, by, is_known_token } => {
            let card = if *is_known_token { "" } else { " with a card nobody knows" };
            format!("to pay {}{card}, as {}", id(order), id(by))
        }
        Asked::ReadTicket { ticket } => format!("to see {}", id(ticket)),
        Asked::ReadOrder { order, by } => format!("to see {}, as {}", id(order), id(by)),
    }
}

fn at_version(expected: Option<u64>) -> String {
    expected.map(|version| format!(" if it is v{version}")).unwrap_or_default()
}

/// What a client is told.
pub fn answered(answered: &Answered) -> String {
    match answered {
        Answered::Account(user) => id(user),
        Answered::Ticket { id: ticket, version, .. } => format!("{} v{version}", id(ticket)),
        Answered::Order { id: order, version, state } => {
            format!("{} v{version} {state:?}", id(order))
        }
        Answered::Charge { id: charge, status } => format!("{} {status:?}", id(charge)),
        Answered::Done => "done".to_owned(),
        Answered::Refused(reason) => format!("no: {reason:?}"),
        Answered::Nothing => "nothing".to_owned(),
    }
}

/// What the gateway reports.
pub fn report(report: &IntentReport) -> String {
    let intent = report.intent.as_ref().map_or("no intent", |intent| intent.0.as_str());
    let refund = report.refund.as_ref().map(|refund| format!(", refund {:?}", refund.status));
    let dispute = report.dispute.map(|dispute| format!(", dispute {dispute:?}"));
    let (refund, dispute) = (refund.unwrap_or_default(), dispute.unwrap_or_default());
    format!("{intent} {:?}{refund}{dispute}", report.fact)
}

/// An event of the log.
pub fn event(logged: &LoggedEvent) -> String {
    let what = match logged.event.subject() {
        Subject::User(user) => account(user),
        Subject::Token(token) => format!("{} of {}", id(&token.id), id(&token.user)),
        Subject::Pass(pass) => format!("{} of {}", id(&pass.id), id(&pass.ticket)),
        Subject::Ticket(ticket) => ticket_line(ticket),
        Subject::Venue(venue) => venue.id.to_string(),
        Subject::Show(view) => view.show.id.to_string(),
        Subject::Order(view) => order(view),
        Subject::Charge(view) => charge(view),
    };
    format!("#{} {} {what} at {}", logged.seq, logged.event.name(), logged.at)
}

fn account(user: &UserEvent) -> String {
    format!("{} v{}", id(&user.id), user.version.number())
}

fn ticket_line(ticket: &Ticket) -> String {
    let state = match &ticket.state {
        TicketState::Available => "Available".to_owned(),
        TicketState::Locked { order, until } => format!("Locked by {} until {until}", id(order)),
        TicketState::Sold { order } => format!("Sold by {}", id(order)),
        TicketState::Several(allotment) => {
            let part =
                |part: &Part| format!("{:?} by {} {:?}", part.seats, id(&part.order), part.state);
            let parts: Vec<String> = allotment.parts.iter().map(part).collect();
            format!("{:?} [{}]", ticket.status(), parts.join(", "))
        }
    };
    let (version, price) = (ticket.version.number(), ticket.price.minor());
    format!("{} v{version} {state}, price {price}, seller {}", id(&ticket.id), id(&ticket.seller))
}

fn order(view: &OrderView) -> String {
    let order = &view.order;
    let (version, attempts) = (order.version.number(), order.attempts);
    let charge = view.charge.as_ref().map(|view| format!(", {}", charge(view)));
    let charge = charge.unwrap_or_default();
    let (ticket, buyer) = (id(&order.ticket), id(&order.buyer));
    let until = order.expires_at;
    format!(
        "{} v{version} {:?} of {ticket} for {buyer} until {until}, attempts {attempts}{charge}",
        id(&order.id),
        order.state
    )
}

fn charge(view: &ChargeView) -> String {
    let mut text = format!("{} {:?}", id(&view.id), view.status);
    let mut add = |name: &str, what: Option<&dyn Debug>| {
        if let Some(what) = what {
            text.push_str(&format!(" {name} {what:?}"));
        }
    };
    add("by", view.intent.as_ref().map(|intent| &intent.0 as &dyn Debug));
    add("refund", view.refund.as_ref().map(|refund| refund as &dyn Debug));
    add("because", view.failure_code.as_ref().map(|code| code as &dyn Debug));
    add("dispute", view.dispute.as_ref().map(|dispute| dispute as &dyn Debug));
    text
}
