// The demo's shop in Postgres: its tables and a small load that keeps changing them.
import { readFileSync } from 'node:fs';
import pg from 'pg';

/** Our copy of deploy/demo/shop.sql, held equal by a test: a package has nothing of what is around it. */
const SCHEMA_FILE = new URL('../assets/shop.sql', import.meta.url);

const DAY_CHANGES = ['order', 'order', 'pay', 'ship', 'stock', 'stock', 'cancel', 'customer'] as const;

/** A connection to the shop. */
export class Shop implements AsyncDisposable {
  readonly #client: pg.Client;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  /** Connects and creates what is missing; tables that have rows are left alone. */
  static async open(url: string): Promise<Shop> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined); // the server may stop first
    await client.connect();
    await client.query(readFileSync(SCHEMA_FILE, 'utf8'));
    return new Shop(client);
  }

  /** Changes something about `perSecond` times a second, until disposed. A failed change is tried at the next tick. */
  startLoad(perSecond: number): void {
    this.#timer = setInterval(() => {
      // One at a time: a slow database gets fewer changes, not a queue of them.
      this.#running ??= this.#change().finally(() => {
        this.#running = undefined;
      });
    }, 1000 / perSecond);
  }

  /** Gives a customer a city and resolves with the moment of commit. */
  async moveCustomer(id: number, city: string): Promise<number> {
    await this.#client.query('update customers set city = $2 where id = $1', [id, city]);
    return performance.now();
  }

  async #change(): Promise<void> {
    const kind = DAY_CHANGES[Math.floor(Math.random() * DAY_CHANGES.length)] ?? 'stock';
    try {
      await this.#client.query(CHANGES[kind]);
    } catch {
      await this.#client.query('rollback').catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.#client.end().catch(() => undefined);
  }
}

/** Each is one transaction. */
const CHANGES = {
  order: `with chosen as (select id, price, 1 + floor(random() * 3)::int as quantity from products order by random() limit 1 + floor(random() * 3)::int),
    made as (insert into orders (customer_id, total) select (select id from customers order by random() limit 1), (select sum(price * quantity) from chosen) returning id)
    insert into order_lines (order_id, line_no, product_id, quantity, unit_price)
    select made.id, row_number() over (), chosen.id, chosen.quantity, chosen.price from made, chosen`,
  pay: `update orders set status = 'paid', updated_at = now() where id = (select id from orders where status = 'placed' order by id limit 1)`,
  ship: `update orders set status = 'shipped', updated_at = now() where id = (select id from orders where status = 'paid' order by id limit 1)`,
  cancel: `delete from orders where id = (select id from orders where status = 'shipped' order by id limit 1)`,
  stock: `update products set stock = greatest(0, stock + floor(random() * 21)::int - 10), updated_at = now() where id = (select id from products order by random() limit 1)`,
  customer: `update customers set city = (array['Lyon', 'Osaka', 'Lagos', 'Porto', 'Brno', 'Graz', 'Cork'])[1 + floor(random() * 7)::int] where id = (select id from customers order by random() limit 1)`,
} as const;
