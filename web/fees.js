// What a price becomes: what a buyer pays, and what is left for the seller. The server's rules, so
// that it can be told before it is asked.

import { decimals } from "./format.js";

/** An amount in minor units. */
export function minor(amount, currency) {
  return Math.round(Number(amount) * 10 ** decimals(currency));
}

/** So many times an amount, to the unit. */
export function times(amount, count, currency) {
  return (minor(amount, currency) * count) / 10 ** decimals(currency);
}

/** For one seat at a price: what the buyer pays, and what the seller gets. */
export function sharesOf(amount, { currency, fees }) {
  const price = minor(amount, currency);
  const fee = (basisPoints, fixed) => Math.floor((price * basisPoints + 5000) / 10_000) + minor(fixed, currency);
  const whole = (it) => it / 10 ** decimals(currency);
  return {
    total: whole(price + fee(fees.buyerBasisPoints, fees.buyerFixed)),
    proceeds: whole(Math.max(0, price - fee(fees.sellerBasisPoints, fees.sellerFixed))),
  };
}
