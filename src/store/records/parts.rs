//! Parts that several records share.

use minicbor::{Decode, Encode, Encoder, decode, encode};

use crate::domain::{Currency, Price, Timestamp, Title};
use crate::store::records::envelope::Fault;

/// An identifier, in 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub u128);

impl<C> Encode<C> for Id {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0.to_be_bytes())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Id {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?.try_into();
        let bytes = bytes.map_err(|_| decode::Error::message("an id has 16 bytes"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct StoredPrice<'a> {
    #[n(0)]
    minor: u64,
    #[b(1)]
    currency: &'a str,
}

impl<'a> From<&'a Price> for StoredPrice<'a> {
    fn from(price: &'a Price) -> Self {
        Self { minor: price.minor(), currency: price.code() }
    }
}

impl StoredPrice<'_> {
    /// The price, if it is one.
    pub fn price(self) -> Result<Price, Fault> {
        Price::from_minor(self.minor, self.currency()?)
            .map_err(|_| Fault::value("the price", (self.minor, self.currency)))
    }

    /// What several seats cost together, which may be more than a price can be.
    pub fn total(self) -> Result<Price, Fault> {
        Price::of_total(self.minor, self.currency()?)
            .ok_or_else(|| Fault::value("the amount", (self.minor, self.currency)))
    }

    fn currency(self) -> Result<Currency, Fault> {
        self.currency.parse().map_err(|_| Fault::value("the currency", self.currency))
    }
}

/// A time as it is stored: milliseconds since the epoch.
pub fn millis(at: Timestamp) -> i64 {
    at.as_millis()
}

/// A time that was stored.
pub fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A title that was stored. It was accepted by the rules of its day.
pub fn title(text: &str) -> Title {
    Title::accepted_before(text)
}
