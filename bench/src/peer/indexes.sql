CREATE INDEX tickets_newest ON tickets (id DESC) WHERE status = 0;
CREATE INDEX tickets_by_price ON tickets (price_minor, id DESC) WHERE status = 0;
CREATE INDEX tickets_by_word ON tickets USING gin (to_tsvector('simple', title)) WHERE status <> 2;
CREATE INDEX tickets_by_seller ON tickets (seller_id, id DESC);
CREATE INDEX orders_by_buyer ON orders (buyer_id, status, id DESC);
CREATE INDEX orders_by_deadline ON orders (expires_at) WHERE status = 0;
CREATE INDEX charges_by_order ON charges (order_id);
