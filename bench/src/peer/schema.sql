CREATE TABLE users (
    id         uuid PRIMARY KEY,
    email      text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE tickets (
    id          uuid PRIMARY KEY,
    seller_id   uuid NOT NULL,
    title       text NOT NULL,
    price_minor bigint NOT NULL,
    status      smallint NOT NULL, -- 0 available, 1 locked, 2 sold
    order_id    uuid,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE orders (
    id          uuid PRIMARY KEY,
    buyer_id    uuid NOT NULL,
    ticket_id   uuid NOT NULL,
    title       text NOT NULL,
    price_minor bigint NOT NULL,
    status      smallint NOT NULL, -- 0 created, 1 completed, 2 cancelled
    expires_at  timestamptz NOT NULL,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE charges (
    id           uuid PRIMARY KEY,
    order_id     uuid NOT NULL,
    amount_minor bigint NOT NULL,
    created_at   timestamptz NOT NULL
);

CREATE TABLE events (
    seq  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text NOT NULL,
    at   timestamptz NOT NULL,
    data jsonb NOT NULL
);
