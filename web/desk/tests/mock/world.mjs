// An invented operator in the middle of a morning: what the mock shows.
const MINUTE = 60_000;

export const KEYS = {
  work: ["agent", "task"],
  conversation: ["conversation"],
  message: ["conversation", "n"],
  leg: ["conversation", "leg"],
  queue_state: ["queue"],
  agent_state: ["agent"],
  task: ["task"],
  config: ["kind", "id"],
};

export const VIEWS = {
  my_work: ["work", "agent"],
  conversation: ["conversation", "conversation"],
  thread: ["message", "conversation"],
  legs: ["leg", "conversation"],
  queues: ["queue_state", null],
  agents: ["agent_state", null],
  waiting: ["task", null],
  me: ["agent_state", "agent"],
  config: ["config", null],
};

function config(kind, id, value, version = 1) {
  return { organisation: "atlas", kind, id, version, value: { active: true, ...value } };
}

const AGENTS = [
  ["amina", "Amina Benali", "lyon", "matin", "available", 2],
  ["paul", "Paul Girard", "lyon", "matin", "available", 4],
  ["ines", "Inès Carvalho", "porto", "matin", "break", 0],
  ["tom", "Tom Verhoeven", "lyon", "soir", "available", 0],
  ["sofia", "Sofia Marques", "porto", "soir", "training", 0],
  ["karim", "Karim Haddad", "tunis", "matin", "available", 6],
  ["leila", "Leïla Trabelsi", "tunis", "matin", "missed", 0],
  ["noe", "Noé Fontaine", "lyon", "soir", "offline", 0],
  ["marta", "Marta Silva", "porto", "matin", "back_office", 2],
  ["claire", "Claire Dumas", "lyon", "matin", "meeting", 0],
];

const PEOPLE = [
  [
    "Inès Moreau",
    "webchat",
    "commandes",
    "lumen",
    "Bonjour, mon colis devait arriver hier et le suivi ne bouge plus depuis mardi.",
  ],
  [
    "Jean-Baptiste Lefèvre",
    "webchat",
    "commandes",
    "lumen",
    "D’accord, merci. Et pour le remboursement des frais de port ?",
  ],
  [
    "Sarah O’Connor",
    "webchat",
    "velo",
    "velocite",
    "The brake cable snapped on my second ride, is that covered?",
  ],
  ["Visiteur", "webchat", "velo", "velocite", "Je cherche la taille de cadre pour 1 m 68"],
  ["Michel Roussel", "email", "courrier", "lumen", "Facture en double pour la commande 48213"],
  [
    "Anne-Sophie de La Tour du Pin Chambly",
    "email",
    "courrier",
    "lumen",
    "Changement d’adresse avant expédition",
  ],
  ["Boutique Dupuis", "email", "courrier", "velocite", "Commande professionnelle : 14 casques"],
  ["Hugo Blanc", "email", "courrier", "velocite", "Re: Re: Retour sous garantie"],
];

export function world() {
  const now = Date.now();
  const tables = Object.fromEntries(Object.keys(KEYS).map((table) => [table, []]));
  const put = (table, row) => tables[table].push(row);

  put(
    "config",
    config("organisation", "organisation", {
      name: "Atlas Relation Client",
      default_language: "fr",
      offer_seconds: 20,
      wrapup_seconds: 60,
    }),
  );
  put("config", config("client", "lumen", { name: "Maison Lumen", colour: "#b4541a", mark: "ML" }, 3));
  put("config", config("client", "velocite", { name: "Vélocité", colour: "#1f7a5c", mark: "VÉ" }));
  for (const [id, name, country] of [
    ["lyon", "Lyon", "FR"],
    ["porto", "Porto", "PT"],
    ["tunis", "Tunis", "TN"],
  ])
    put(
      "config",
      config("site", id, { name, country, zone: "EU", time_zone: "Europe/Paris", employer: "Atlas SAS" }),
    );
  for (const [id, name] of [
    ["matin", "Équipe du matin"],
    ["soir", "Équipe du soir"],
  ])
    put("config", config("team", id, { name }));
  for (const [id, name] of [
    ["livraison", "Livraison"],
    ["facturation", "Facturation"],
    ["mecanique", "Mécanique"],
  ])
    put("config", config("skill", id, { name }));
  put(
    "config",
    config(
      "queue",
      "commandes",
      {
        name: "Commandes et livraison",
        client: "lumen",
        skills: [{ skill: "livraison", level: 2 }],
        answer_within_seconds: 60,
        cost: 2,
      },
      4,
    ),
  );
  put(
    "config",
    config("queue", "courrier", {
      name: "Courrier",
      client: "lumen",
      answer_within_seconds: 14400,
      cost: 1,
      interruptible: true,
    }),
  );
  put(
    "config",
    config("queue", "velo", { name: "Conseil vélo", client: "velocite", answer_within_seconds: 45, cost: 2 }),
  );
  put(
    "config",
    config("entry_point", "boutique", {
      name: "Chat de la boutique",
      client: "lumen",
      channel: "webchat",
      queue: "commandes",
      language: "fr",
      settings: {},
    }),
  );
  put(
    "config",
    config("entry_point", "boite", {
      name: "service@lumen.example",
      client: "lumen",
      channel: "email",
      queue: "courrier",
      language: "fr",
      settings: { address: "service@lumen.example" },
    }),
  );
  put("config", config("reason", "dejeuner", { name: "Déjeuner", presence: "break" }));
  put("config", config("reason", "panne", { name: "Panne technique", presence: "back_office" }));
  for (const [id, name] of [
    ["livraison", "Livraison : répondu"],
    ["remboursement", "Remboursement engagé"],
    ["transmis", "Transmis à la boutique"],
    ["sans_suite", "Sans suite"],
  ])
    put("config", config("disposition", id, { name, client: null }));
  put(
    "config",
    config("canned_reply", "bonjour", {
      shortcut: "bonjour",
      text: "Bonjour {customer}, je suis {agent} de {client}. Que puis-je faire pour vous ?",
      client: null,
      language: "fr",
    }),
  );
  put(
    "config",
    config("canned_reply", "suivi", {
      shortcut: "suivi",
      text: "Je regarde le suivi de votre colis et je reviens vers vous dans une minute.",
      client: "lumen",
      language: "fr",
    }),
  );
  put(
    "config",
    config("canned_reply", "merci", {
      shortcut: "merci",
      text: "Merci de votre patience, {customer}. Bonne journée !",
      client: null,
      language: "fr",
    }),
  );
  put(
    "config",
    config("hours", "semaine", {
      name: "Semaine 9 h à 18 h",
      time_zone: "Europe/Paris",
      slots: [1, 2, 3, 4, 5].map((day) => ({ day, start: "09:00", end: "18:00" })),
      closed_days: ["2026-12-25"],
    }),
  );

  AGENTS.forEach(([id, name, site, team, presence, load], index) => {
    put(
      "config",
      config(
        "agent",
        id,
        {
          name,
          email: `${id}@atlas.example`,
          role: id === "amina" ? "administrator" : "agent",
          site,
          team,
          languages: ["fr", "en"],
          clients: ["*"],
          queues: ["*"],
          skills: [{ skill: "livraison", level: 3 }],
          capacity: 6,
        },
        1 + (index % 3),
      ),
    );
    put("agent_state", {
      agent: id,
      presence,
      reason: id === "ines" ? "dejeuner" : "",
      since: now - (index * 7 + 3) * MINUTE,
      load,
      capacity: 6,
      offered: 0,
      connected: id !== "noe" && id !== "marta",
      site,
      team,
      wrapup_until: null,
    });
  });

  PEOPLE.forEach(([name, channel, queue, client, words], index) => {
    const conversation = `c${index + 1}`;
    const live = channel === "webchat";
    const opened = now - (live ? 4 + index * 3 : 90 + index * 47) * MINUTE;
    const answered = index === 1;
    put("conversation", {
      conversation,
      customer: `p${index + 1}`,
      client,
      channel,
      entry_point: live ? "boutique" : "boite",
      queue,
      live,
      state: index === 0 ? "waiting" : index === 7 ? "parked" : "active",
      subject_line: live ? "" : words,
      customer_name: name === "Visiteur" ? "" : name,
      last_words: live
        ? words
        : "Bonjour, je vous écris au sujet de ma dernière facture, que j’ai reçue deux fois.",
      last_author: answered ? "agent" : "customer",
      last_at: now - (index + 1) * 40_000,
      parked_until: index === 7 ? now + 180 * MINUTE : null,
      left_at: null,
      waiting_since:
        answered || index === 7 ? null : now - (live ? (index + 1) * 25_000 : (60 + index * 31) * MINUTE),
      n: 4,
      agent: index === 0 ? null : "amina",
      tags: index === 4 ? ["facture", "urgent"] : [],
      disposition: null,
      opened_at: opened,
      closed_at: null,
      language: client === "velocite" && live && index === 2 ? "en" : "fr",
    });
    const said = (n, kind, author, text, more = {}) =>
      put("message", {
        conversation,
        n,
        message: `${conversation}m${n}`,
        client,
        kind,
        author,
        text,
        html_blob: null,
        attachments: [],
        headers: {},
        status: kind === "agent" ? "read" : null,
        reason: null,
        at: opened + n * 45_000,
        release_at: null,
        internal: kind === "note",
        ...more,
      });
    if (live) {
      said(1, "customer", "", "Bonjour");
      said(2, "customer", "", words);
      if (index === 1) {
        said(
          3,
          "agent",
          "amina",
          "Bonjour Monsieur Lefèvre, je regarde tout de suite.\nVotre colis est au dépôt de Vénissieux : https://suivi.example/48213",
        );
        said(4, "customer", "", "Ah, je comprends mieux. Je peux aller le chercher ?", {
          attachments: [{ address: "a1", name: "avis-de-passage.jpg", type: "image/jpeg", size: 84_213 }],
        });
        said(
          5,
          "note",
          "paul",
          "Déjà appelé hier, très patient. Lui proposer le remboursement des frais de port.",
        );
        said(6, "agent", "amina", "Oui, à partir de 14 h avec une pièce d’identité.", {
          status: "delivered",
        });
        said(7, "customer", "", "D’accord, merci. Et pour le remboursement des frais de port ?");
        said(8, "agent", "amina", "Je vous le fais dans la journée.", {
          status: "failed",
          reason: "relay",
        });
      }
    } else {
      said(
        1,
        "customer",
        "",
        `Bonjour,\n\nje vous écris au sujet de ma dernière facture, que j’ai reçue deux fois. Pouvez-vous annuler la seconde ?\n\nCordialement,\n${name}\n\nLe 12 novembre 2026 à 09:12, Maison Lumen a écrit :\n> Bonjour,\n> votre commande 48213 est en route.\n> Bien à vous`,
        {
          html_blob: "h1",
          headers: { from: "client@exemple.example", to: "service@lumen.example", subject: words },
          attachments: [{ address: "a2", name: "facture-48213.pdf", type: "application/pdf", size: 213_004 }],
        },
      );
      if (index === 5)
        said(2, "agent", "amina", "Bonjour,\n\nC’est noté, la nouvelle adresse est enregistrée.\n\nAmina", {
          status: "held",
          release_at: now + 600_000,
        });
    }
    put("leg", {
      conversation,
      leg: `${conversation}l1`,
      party: "customer",
      agent: null,
      site: null,
      country: null,
      employer: null,
      started: opened,
      ended: null,
      reason: null,
    });
    if (index > 0)
      put("leg", {
        conversation,
        leg: `${conversation}l2`,
        party: "agent",
        agent: "amina",
        site: "lyon",
        country: "FR",
        employer: "Atlas SAS",
        started: opened + 30_000,
        ended: null,
        reason: null,
      });
    const state = index === 0 ? "offered" : index === 3 ? "wrapup" : index === 7 ? "parked" : "assigned";
    if (index > 0)
      put("work", {
        agent: "amina",
        task: `${conversation}-1`,
        conversation,
        client,
        queue,
        channel,
        live,
        state,
        since: opened,
        deadline: state === "wrapup" ? now + 900_000 : null,
        answer_by: opened + (live ? 1 : 240) * MINUTE,
        offer: null,
        why: null,
        forced: false,
      });
    put("task", {
      task: `${conversation}-1`,
      conversation,
      client,
      queue,
      live,
      state: state === "parked" ? "ended" : state === "offered" ? "queued" : state,
      agent: index > 0 ? "amina" : null,
      since: opened,
      priority: 0,
      answer_by: null,
      place: 1,
    });
  });
  for (let index = 0; index < 3; index += 1)
    put("task", {
      task: `q${index}-1`,
      conversation: `c${index + 1}`,
      client: "velocite",
      queue: "velo",
      live: true,
      state: "queued",
      agent: null,
      since: now - (index + 1) * 33_000,
      priority: 0,
      answer_by: null,
      place: index + 1,
    });

  put("queue_state", {
    queue: "commandes",
    client: "lumen",
    open: true,
    waiting: 1,
    oldest: now - 42_000,
    offered: 1,
    assigned: 3,
    answered_today: 64,
    answered_in_time_today: 58,
    abandoned_today: 3,
  });
  put("queue_state", {
    queue: "courrier",
    client: "lumen",
    open: true,
    waiting: 12,
    oldest: now - 95 * MINUTE,
    offered: 0,
    assigned: 4,
    answered_today: 31,
    answered_in_time_today: 31,
    abandoned_today: 0,
  });
  put("queue_state", {
    queue: "velo",
    client: "velocite",
    open: true,
    waiting: 3,
    oldest: now - 99_000,
    offered: 0,
    assigned: 1,
    answered_today: 0,
    answered_in_time_today: 0,
    abandoned_today: 0,
  });

  const old = (n, customer) => ({
    ...tables.conversation[0],
    conversation: `old${n}`,
    customer,
    channel: n % 2 ? "email" : "webchat",
    state: "closed",
    subject_line: n % 2 ? "Retour d’un article" : "",
    last_words: "Merci beaucoup, bonne soirée !",
    last_author: "customer",
    waiting_since: null,
    last_at: now - n * 26 * 60 * MINUTE,
    opened_at: now - n * 27 * 60 * MINUTE,
    agent: "paul",
  });
  const past = Array.from({ length: 40 }, (_, index) => ({
    ...old(index + 1, `p${(index % 8) + 1}`),
    customer_name: PEOPLE[index % 8][0],
  }));
  return { tables, past };
}

export function offer(tables) {
  const now = Date.now();
  return {
    agent: "amina",
    task: "c1-1",
    conversation: "c1",
    client: "lumen",
    queue: "commandes",
    channel: "webchat",
    live: true,
    state: "offered",
    since: now,
    answer_by: now + 30_000,
    deadline: now + 20_000,
    offer: "c1-1-1",
    why: {
      side: "task",
      policy: "longest_idle",
      config: 12,
      agents: tables.agent_state.length,
      removed: { clearance: 0, queue: 1, language: 0, skill: 2, presence: 4, capacity: 1, skipped: 0 },
      candidates: 2,
      waited: 25_000,
      idle_since: now - 310_000,
      load: 2,
      runners_up: [{ agent: "tom", idle_since: now - 120_000, load: 0 }],
      tasks: 1,
    },
    forced: false,
  };
}
