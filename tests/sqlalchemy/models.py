"""Books, for change hooks."""

from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {str: String(60)}


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["Book"]] = relationship(
        back_populates="author", cascade="all, delete-orphan"
    )


on_shelf = Table(
    "on_shelf",
    Base.metadata,
    Column("book_id", ForeignKey("book.id"), primary_key=True),
    Column("shelf_id", ForeignKey("shelf.id"), primary_key=True),
)


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="book")
    title: Mapped[str] = mapped_column(unique=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    likes: Mapped[int] = mapped_column(default=0, server_default="0")
    author: Mapped[Author | None] = relationship(back_populates="books")
    shelves: Mapped[list["Shelf"]] = relationship(secondary=on_shelf, back_populates="books")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "book"}

    @property
    def initial(self) -> str:
        return self.title[:1]


class Atlas(Book):
    __tablename__ = "atlas"
    id: Mapped[int] = mapped_column(ForeignKey("book.id"), primary_key=True)
    scale: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"polymorphic_identity": "atlas"}


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(secondary=on_shelf, back_populates="shelves")


def add(session, *records):
    session.add_all(records)
    session.commit()
    return records[0]
