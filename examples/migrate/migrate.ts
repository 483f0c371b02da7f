// Runs each file of db/migrations once, in the order of their names. See "Plain SQL" in docs/recipes.md.
import { readdirSync, readFileSync } from 'node:fs'
import { Client } from 'pg'

async function main() {
  const client = new Client({ connectionString: process.env.DATABASE_URL })
  await client.connect()
  try {
    // Several servers migrate one after the other. The connection's end releases the lock.
    await client.query('select pg_advisory_lock(7426)')
    await client.query('create table if not exists migrations (name text primary key)')
    const { rows } = await client.query('select name from migrations')
    const done = new Set(rows.map(({ name }) => name))
    for (const name of readdirSync('db/migrations').sort()) {
      if (!name.endsWith('.sql') || done.has(name)) continue
      await client.query('begin')
      await client.query(readFileSync(`db/migrations/${name}`, 'utf8'))
      await client.query('insert into migrations values ($1)', [name])
      await client.query('commit')
      console.log(name)
    }
  } finally {
    await client.end()
  }
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
