"""The edits of the oracle: every kind of write. Each is one transaction, or none.

An edit takes an engine and a source of random numbers; it commits, or rolls back, by itself.
"""

import decimal

from sqlalchemy import bindparam, delete, event, func, insert, select, text, update
from sqlalchemy.orm import Session

from isgware.render_context import untracked

from ...databases import BACKEND, upsert
from .schema import (
    MAKERS,
    Book,
    Item,
    Maker,
    Review,
    Tag,
    code,
    day,
    item_tag,
    new_item,
    new_review,
)  # fmt: skip

EDITS = {}


def edit(function):
    EDITS[function.__name__.replace("_", " ")] = function
    return function


def in_session(function):
    """An edit of a session, whose transaction waits for those of others."""

    def run(engine, rng):
        with Session(engine.execution_options(edits=True)) as session:
            function(session, rng)
            session.commit()

    run.__name__ = function.__name__
    return edit(run)


def some(session, rng, model):
    return rng.choice(session.scalars(select(model)).all() or [None])


@in_session
def change_a_column(session, rng):
    if item := some(session, rng, Item):
        name = rng.choice(("title", "stock", "price", "made", "code", "maker_id"))
        value = {
            "title": rng.choice("abcABC"), "stock": rng.randrange(4), "code": code(rng),
            "price": decimal.Decimal(rng.randrange(8)) / 2, "made": day(rng),
            "maker_id": rng.choice((None, 1, 2, 3)),
        }[name]  # fmt: skip
        setattr(item, name, value)


@in_session
def change_an_inherited_column(session, rng):
    if book := some(session, rng, Book):
        book.pages, book.stock = rng.randrange(4), rng.randrange(4)


@in_session
def change_a_maker(session, rng):
    if maker := some(session, rng, Maker):
        maker.name = rng.choice(("m1", "M1", "M2", f"m{maker.id}"))
        maker.active, maker.country = rng.random() < 0.5, rng.choice((None, 1, 2))


@in_session
def pass_a_handle_on(session, rng):
    named = session.scalars(select(Maker).where(Maker.handle.is_not(None))).all()
    one, other = rng.choice(named or [None]), some(session, rng, Maker)
    if one and other and one is not other:
        handle, one.handle = one.handle, None
        session.flush()
        handle, other.handle = other.handle, rng.choice((handle, handle and handle.upper()))
        session.flush()
        one.handle = rng.choice((handle, None))


@in_session
def add_a_maker_with_a_handle(session, rng):
    handle = rng.choice(("h1", "H2", "h3", "h4"))
    taken = session.scalar(select(Maker).where(Maker.handle == handle))
    if taken:
        taken.handle = None
        session.flush()
    if session.scalar(select(func.count(Maker.id))) > 8:
        session.execute(delete(Maker).where(Maker.name == "M7"))
    session.add(Maker(name="M7", country=1, active=True, handle=handle))


@in_session
def add_an_item(session, rng):
    session.add(new_item(rng))


@in_session
def delete_an_item(session, rng):
    if session.scalar(select(func.count(Item.id))) > 8:
        session.delete(some(session, rng, Item))


@in_session
def add_an_item_with_everything(session, rng):
    tags = session.scalars(select(Tag)).all()
    item = new_item(rng, tags=rng.sample(tags, min(2, len(tags))))
    session.add(item)
    session.flush()
    item.reviews.append(new_review(rng, item.id))


@in_session
def tag_or_untag(session, rng):
    item, tag = some(session, rng, Item), some(session, rng, Tag)
    if item and tag:
        item.tags.remove(tag) if tag in item.tags else item.tags.append(tag)


@in_session
def tag_another_item(session, rng):
    """The key of the row is set."""
    tagged = session.execute(select(item_tag)).all()
    item = some(session, rng, Item)
    if tagged and item:
        was, name = rng.choice(tagged)
        if name not in {tag.name for tag in item.tags}:
            row = item_tag.c.item_id == was, item_tag.c.tag_name == name
            session.execute(update(item_tag).where(*row).values(item_id=item.id))


@in_session
def move_a_review(session, rng):
    if review := some(session, rng, Review):
        review.item = some(session, rng, Item)
        other = some(session, rng, Review)
        review.parent = other if other.id < review.id else None


@in_session
def add_a_review(session, rng):
    if item := some(session, rng, Item):
        session.add(new_review(rng, item.id))


@in_session
def delete_a_review(session, rng):
    if review := some(session, rng, Review):
        session.delete(review)


@in_session
def rename_a_tag(session, rng):
    if tag := some(session, rng, Tag):
        other = f"T{rng.randrange(6)}"
        if session.get(Tag, other) is None:
            session.execute(update(Tag).where(Tag.name == tag.name).values(name=other))


@in_session
def weigh_a_tag(session, rng):
    session.execute(
        update(Tag).where(Tag.name == f"t{rng.randrange(4)}").values(weight=rng.randrange(5))
    )


@in_session
def update_by_condition(session, rng):
    session.execute(
        update(Item).where(Item.stock == rng.randrange(4)).values(maker_id=rng.choice((None, 1, 2)))
    )


@in_session
def update_by_an_expression(session, rng):
    session.execute(
        update(Item).where(Item.maker_id == rng.randrange(4)).values(stock=(Item.stock + 1) % 4)
    )


@in_session
def update_by_a_subquery(session, rng):
    liked = select(Review.item_id).where(Review.stars == rng.randrange(6))
    session.execute(update(Item).where(Item.id.in_(liked)).values(title=rng.choice("abc")))


@in_session
def update_everything(session, rng):
    session.execute(update(Item).values(price=Item.price + decimal.Decimal("0.5")))


@in_session
def update_from_another_table(session, rng):
    session.execute(
        update(Item)
        .where(Item.maker_id == Maker.id, Maker.country == 1)
        .values(stock=rng.randrange(4)),
        execution_options={"synchronize_session": False},
    )


@in_session
def update_many(session, rng):
    ids = session.scalars(select(Item.id)).all()
    session.execute(
        update(Item), [{"id": each, "stock": rng.randrange(4)} for each in rng.sample(ids, 3)]
    )


@edit
def update_many_by_a_parameter(engine, rng):
    with engine.execution_options(edits=True).begin() as connection:
        statement = update(Item.__table__).where(Item.__table__.c.id == bindparam("which"))
        connection.execute(
            statement,
            [{"which": rng.randrange(9), "title": rng.choice("abc")} for _ in range(3)],
        )


@in_session
def delete_by_condition(session, rng):
    session.execute(delete(Review).where(Review.stars == rng.randrange(6), Review.body == "x"))


@in_session
def bulk_insert(session, rng):
    ids = session.scalars(select(Item.id)).all()
    session.execute(
        insert(Review),
        [{"item_id": rng.choice(ids), "stars": rng.randrange(6), "body": "x"} for _ in range(3)],
    )


@in_session
def insert_from_a_select(session, rng):
    copied = select(Review.item_id, Review.stars, Review.body).where(Review.stars == 5).limit(1)
    session.execute(insert(Review).from_select(["item_id", "stars", "body"], copied))


@in_session
def upsert_a_tag(session, rng):
    statement = upsert(Tag).values(name=f"T{rng.randrange(6)}", weight=rng.randrange(5))
    if BACKEND == "mysql":
        statement = statement.on_duplicate_key_update(weight=statement.inserted.weight)
    else:
        new = {"weight": statement.excluded.weight}
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=new)
    session.execute(statement)


@in_session
def insert_returning(session, rng):
    session.scalars(
        insert(Maker).values(name="M9", country=rng.randrange(3), active=True).returning(Maker)
    ).one()
    if session.scalar(select(func.count(Maker.id))) > 8:
        session.execute(delete(Maker).where(Maker.id >= MAKERS))


@in_session
def add_a_maker(session, rng):
    session.add(Maker(name="M9", country=rng.randrange(3), active=rng.random() < 0.5))


@in_session
def raw_sql(session, rng):
    if rng.random() < 0.2:
        session.execute(text(f"UPDATE item SET stock = {rng.randrange(4)} WHERE id < 4"))


@in_session
def savepoints(session, rng):
    item, other = some(session, rng, Item), some(session, rng, Item)
    with session.begin_nested():
        item.stock = rng.randrange(4)
    savepoint = session.begin_nested()
    other.title = "z"
    session.flush()
    savepoint.rollback()


@edit
def roll_back(engine, rng):
    with Session(engine.execution_options(edits=True)) as session:
        session.execute(update(Item).values(title="never"))
        session.rollback()


@edit
def a_hook_that_raises(engine, rng):
    with Session(engine.execution_options(edits=True)) as session:

        @event.listens_for(session, "after_commit")
        def raising(session):
            raise RuntimeError("a hook")

        some(session, rng, Item).stock = rng.randrange(4)
        try:
            session.commit()
        except RuntimeError:
            session.close()


@edit
def autocommit(engine, rng):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            insert(Maker).values(name="M8", country=1, active=True).returning(Maker.name)
        )
        connection.execute(update(Maker).where(Maker.id == 2).values(country=rng.randrange(3)))
        connection.execute(delete(Maker).where(Maker.name == "M8"))


@edit
def autocommit_by_condition(engine, rng):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        active = rng.random() < 0.5
        connection.execute(update(Maker).where(Maker.country > 0).values(active=active, name="m1"))


@edit
def an_object_from_before(engine, rng):
    """Another transaction changes the row between reading and writing it."""
    with Session(engine, expire_on_commit=False) as session:
        item = some(session, rng, Item)
        session.commit()
        with Session(engine.execution_options(edits=True)) as other:
            other.execute(
                update(Item).where(Item.id == item.id)
                .values(maker_id=rng.choice((1, 2, 3)), stock=rng.randrange(4))
            )  # fmt: skip
            other.commit()
        session.bind = engine.execution_options(edits=True)
        item.maker_id, item.stock = rng.choice((None, 1, 2)), rng.randrange(4)
        session.commit()


@edit
def untracked_and_back(engine, rng):
    """What nobody is told of has to be undone."""
    with untracked(), engine.execution_options(edits=True).begin() as connection:
        connection.execute(update(item_tag).where(item_tag.c.item_id == 0).values(item_id=0))
