"""What alembic runs: the steps, in the transaction that `versions.upgrade` has open."""

from alembic import context

from jobauto.claims import tables

context.configure(
    connection=context.config.attributes["connection"],
    version_table=tables.version.name,
    transactional_ddl=True,
)
context.run_migrations()
