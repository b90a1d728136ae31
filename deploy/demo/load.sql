-- One moment in the life of the shop, repeated by psql every second: a new order with its lines, stock that goes down,
-- an older order that moves on, and now and then a price change and a cancelled order that is deleted.
\set ON_ERROR_STOP on
do $$
declare
  placed bigint;
  product products;
begin
  insert into orders (customer_id)
  select id from customers order by random() limit 1
  returning id into placed;

  for line in 1 .. 1 + floor(random() * 3)::integer loop
    select * into product from products order by random() limit 1;
    insert into order_lines values (placed, line, product.id, 1 + floor(random() * 3)::integer, product.price);
    update products set stock = case when stock < 5 then 100 else stock - 1 end, updated_at = now() where id = product.id;
  end loop;

  update orders
  set total = (select sum(quantity * unit_price) from order_lines where order_id = placed)
  where id = placed;

  update orders
  set status = case status when 'placed' then 'paid' when 'paid' then 'shipped' else 'delivered' end, updated_at = now()
  where id = (select id from orders where status in ('placed', 'paid', 'shipped') and id <> placed order by random() limit 1);

  if random() < 0.2 then
    update products set price = round(price * (0.9 + random() * 0.2)::numeric, 2), updated_at = now()
    where id = (select id from products order by random() limit 1);
  end if;
  if random() < 0.1 then
    delete from orders where id = (select id from orders where status = 'delivered' order by placed_at limit 1);
  end if;
end
$$ \watch 1
