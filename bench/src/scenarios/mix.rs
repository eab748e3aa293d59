//! Requests of many kinds, mixed by weight.

use gittix::domain::OrderId;

use super::requests::{Buyers, expect, lock, order_in, pay};
use crate::client::{Answer, Next, Workload, http};
use crate::world::titles::{self, Searched};
use crate::world::{PASSWORD, World, hash};

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One available ticket, any.
    Get,
    /// The newest 50.
    Newest,
    /// The 50 cheapest within a range of prices.
    ByPrice,
    /// The newest 50 with some words: one kind of search, or each as often as the others.
    Search(Option<Searched>),
    /// Lock a ticket that was listed recently.
    Lock,
    /// Pay an order of this run, or look at a ticket if there is none.
    Pay,
    /// Cancel an order of this run, or look at a ticket if there is none.
    Cancel,
    /// List a ticket.
    Sell,
    /// Sign in.
    SignIn,
    /// A page's JSON, from the plain axum server.
    PageJson,
}

const NAMES: [&str; 14] = [
    "get a ticket",
    "newest 50",
    "50 by price",
    "search",
    "search: performer",
    "search: performer, city",
    "search: genre",
    "search: city",
    "lock",
    "pay",
    "cancel",
    "sell",
    "sign in",
    "JSON of 50",
];

impl Kind {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        NAMES[self.class()]
    }

    fn class(self) -> usize {
        KINDS.iter().position(|kind| *kind == self).expect("all kinds are there")
    }

    fn expected(self) -> u16 {
        match self {
            Self::Lock | Self::Pay | Self::Sell => 201,
            Self::Cancel => 204,
            Self::Get
            | Self::Newest
            | Self::ByPrice
            | Self::Search(_)
            | Self::SignIn
            | Self::PageJson => 200,
        }
    }
}

/// A mix of requests.
pub struct Mix {
    world: World,
    buyers: Buyers,
    weights: Vec<(Kind, u64)>,
    places: std::vec::IntoIter<u32>,
    sent: u64,
    /// Orders that were made in this run, with the number of their buyer.
    open: Vec<(OrderId, usize)>,
    /// The buyer of each connection's request that is under way.
    locking: Vec<usize>,
}

impl Mix {
    /// A mix of kinds with their weights, which locks the tickets at `places`.
    pub fn new(world: &World, buyers: &Buyers, places: Vec<u32>, weights: &[(Kind, u64)]) -> Self {
        Self {
            world: world.clone(),
            buyers: buyers.clone(),
            weights: weights.to_vec(),
            places: places.into_iter(),
            sent: 0,
            open: Vec::new(),
            locking: Vec::new(),
        }
    }

    fn choose(&self, random: u64) -> Kind {
        let all: u64 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut left = random % all;
        for (kind, weight) in &self.weights {
            if left < *weight {
                return *kind;
            }
            left -= weight;
        }
        Kind::Get
    }

    /// Writes a request of that kind; `false` if there is nothing to do it to.
    fn write(&mut self, kind: Kind, random: u64, connection: usize, request: &mut Vec<u8>) -> bool {
        let number = usize::try_from(self.sent).expect("a count of requests");
        match kind {
            Kind::Get => {
                let ticket = self.world.available_ticket(random % self.world.available);
                http::bare(request, "GET", &format!("/api/tickets/{ticket}"), b"");
            }
            Kind::Newest => http::bare(request, "GET", "/api/tickets", b""),
            Kind::ByPrice => {
                let low = 5 + random % 450;
                let path = format!("/api/tickets?minPrice={low}&maxPrice={}&sort=price", low + 40);
                http::bare(request, "GET", &path, b"");
            }
            Kind::Search(searched) => {
                let any = Searched::ALL[usize::try_from(random % 4).expect("below 4")];
                let performers = self.world.performers;
                let words = titles::search(searched.unwrap_or(any), random, performers);
                http::bare(request, "GET", &format!("/api/tickets?q={words}"), b"");
            }
            Kind::Lock => {
                let Some(place) = self.places.next() else { return false };
                let ticket = self.world.available_ticket(u64::from(place));
                lock(request, ticket, self.buyers.header(number));
                if self.locking.len() <= connection {
                    self.locking.resize(connection + 1, 0);
                }
                self.locking[connection] = number;
            }
            Kind::Pay | Kind::Cancel => {
                let Some((order, buyer)) = self.open.pop() else { return false };
                let buyer = self.buyers.header(buyer);
                if kind == Kind::Pay {
                    pay(request, order, buyer);
                } else {
                    http::bare(request, "DELETE", &format!("/api/orders/{order}"), buyer);
                }
            }
            Kind::Sell => {
                let title = titles::title(random, self.world.performers);
                let price = titles::price_minor(random) / 100;
                let body = format!(r#"{{"title":"{title}","price":{price}}}"#);
                http::post(request, "/api/tickets", self.buyers.header(number), body.as_bytes());
            }
            Kind::SignIn => {
                let person = self.world.buyer(random % self.world.buyers);
                let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, person.email);
                http::post(request, "/api/users/signin", b"", body.as_bytes());
            }
            Kind::PageJson => http::bare(request, "GET", "/page", b""),
        }
        true
    }
}

impl Workload for Mix {
    fn classes(&self) -> &'static [&'static str] {
        &NAMES
    }

    fn next(&mut self, connection: usize, request: &mut Vec<u8>) -> Next {
        self.sent += 1;
        let random = hash(self.sent);
        let mut kind = self.choose(random);
        let detail = hash(random);
        if !self.write(kind, detail, connection, request) {
            kind = Kind::Get;
            self.write(kind, detail, connection, request);
        }
        Next::Send(kind.class())
    }

    fn answered(
        &mut self,
        connection: usize,
        class: usize,
        answer: Answer<'_>,
    ) -> Result<(), String> {
        let (kind, _) = KINDS.iter().zip(NAMES).nth(class).ok_or("a class that is none")?;
        expect(answer, kind.expected(), kind.name())?;
        if *kind == Kind::Lock {
            self.open.push((order_in(answer)?, self.locking[connection]));
        }
        Ok(())
    }
}

/// All kinds, in the order of their names.
const KINDS: [Kind; 14] = [
    Kind::Get,
    Kind::Newest,
    Kind::ByPrice,
    Kind::Search(None),
    Kind::Search(Some(Searched::Performer)),
    Kind::Search(Some(Searched::PerformerCity)),
    Kind::Search(Some(Searched::Genre)),
    Kind::Search(Some(Searched::City)),
    Kind::Lock,
    Kind::Pay,
    Kind::Cancel,
    Kind::Sell,
    Kind::SignIn,
    Kind::PageJson,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::small_world;

    #[test]
    fn kinds_are_mixed_by_weight() {
        let world = small_world();
        let weights = [(Kind::Get, 3), (Kind::Lock, 1)];
        let mut mix = Mix::new(&world, &Buyers::of(&world), (0..20).collect(), &weights);
        let mut counts = [0; 2];
        for _ in 0..200 {
            let mut request = Vec::new();
            let Next::Send(class) = mix.next(3, &mut request) else { panic!("it never ends") };
            counts[usize::from(class == Kind::Lock.class())] += 1;
            assert!(request.ends_with(b"}") || request.ends_with(b"\r\n\r\n"));
        }
        assert_eq!(counts, [180, 20], "after the last lock a ticket is looked at instead");
        for (index, kind) in KINDS.iter().enumerate() {
            assert_eq!(kind.class(), index);
        }
    }
}
