/**
 * What the Data API serves, as supabase-js wants a `Database` described: made from the catalog by `deno task contract`,
 * held to it by tests/contracts/database_types_test.ts. What columns of JSON hold is said in columns.ts, what functions
 * answer in JSON in answers.ts; sql.ts puts them together.
 *
 * @module
 */
import type { JsonOf } from "./columns.ts";
import type { Json } from "./json.ts";

/** Tables and views that can be read, and functions that can be called, with a key or a session. */
export type Database = {
  public: {
    Tables: {
      account_events: {
        Row: {
          account: string;
          at: string;
          channel: string;
          data: JsonOf<"account_events.data">;
          id: string;
          kind: string;
          sender_id: string | null;
          subject: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      allowlist_history: {
        Row: {
          at: string;
          by: string;
          change: "added" | "removed";
          id: string;
          pattern: string;
          purpose: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      announcement_recipients: {
        Row: {
          announcement_id: string;
          at: string | null;
          contact_id: string;
          message_id: string | null;
          next_at: string;
          state: "pending" | "queued" | "left_out";
          why: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "announcement_recipients_announcement_id_fkey";
            columns: ["announcement_id"];
            isOneToOne: false;
            referencedRelation: "announcements";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "announcement_recipients_contact_id_fkey";
            columns: ["contact_id"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["id"];
          },
        ];
      };
      announcements: {
        Row: {
          audience: JsonOf<"announcements.audience">;
          created_at: string;
          created_by: string;
          finished_at: string | null;
          id: string;
          name: string;
          number_id: string | null;
          per_minute: number;
          started_at: string | null;
          started_by: string | null;
          state: "draft" | "sending" | "stopped" | "done";
          stopped_at: string | null;
          stopped_because: string | null;
          stopped_by: string | null;
          template: JsonOf<"announcements.template"> | null;
          text: string | null;
          unreachable: number;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      attributions: {
        Row: {
          clicked_at: string | null;
          code: string | null;
          confidence: "exact" | "referral" | "contact" | "low";
          contact_id: string;
          created_at: string;
          ctwa_clid: string | null;
          first_touch: boolean;
          message_id: string;
          reason: "first" | "ad" | "clicked" | "repeated" | "reused" | "forwarded" | "expired";
          referral: JsonOf<"attributions.referral"> | null;
          token: string | null;
          user_id: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "attributions_code_fkey";
            columns: ["code"];
            isOneToOne: false;
            referencedRelation: "links";
            referencedColumns: ["code"];
          },
          {
            foreignKeyName: "attributions_contact_id_fkey";
            columns: ["contact_id"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "attributions_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: true;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      business_metrics: {
        Row: {
          created_at: string;
          name: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      canned_replies: {
        Row: {
          name: string;
          text: string;
          updated_at: string;
          updated_by: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      click_counts: {
        Row: {
          bot: number;
          code: string;
          day: string;
          human: number;
          own: number;
          prefetch: number;
          preview: number;
          slot: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      click_days: {
        Row: {
          bot: number;
          code: string;
          countries: JsonOf<"click_days.countries">;
          day: string;
          human: number;
          own: number;
          platforms: JsonOf<"click_days.platforms">;
          prefetch: number;
          preview: number;
          referrers: JsonOf<"click_days.referrers">;
          rules: JsonOf<"click_days.rules">;
          sources: JsonOf<"click_days.sources">;
          targets: JsonOf<"click_days.targets">;
          visitors: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      clicks: {
        Row: {
          at: string;
          claimed_at: string | null;
          claimed_by: number | null;
          code: string;
          country: string | null;
          fingerprint: number | null;
          platform: string;
          qr: boolean | null;
          reason: string | null;
          referrer: string | null;
          rule: number | null;
          target: "web" | "app" | "store" | "whatsapp" | "fallback" | "preview";
          token: string | null;
          user_id: string | null;
          verdict: "human" | "bot" | "preview" | "prefetch" | "own";
          visitor: number | null;
          visits: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      contact_acts: {
        Row: {
          act: "revealed" | "replied" | "resent" | "exported" | "resolved";
          at: string;
          by: string;
          contact_id: string;
          id: string;
          message_id: string | null;
          reason: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      contact_identities: {
        Row: {
          channel: string;
          contact_id: string;
          dialled: boolean;
          id: number;
          kind: string;
          sender_id: string | null;
          valid_from: string;
          valid_to: string | null;
          value: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "contact_identities_contact_id_fkey";
            columns: ["contact_id"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["id"];
          },
        ];
      };
      contacts: {
        Row: {
          channel: string;
          created_at: string;
          id: string;
          merged_into: string | null;
          name: string | null;
          updated_at: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "contacts_merged_into_fkey";
            columns: ["merged_into"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["id"];
          },
        ];
      };
      conversation_desk: {
        Row: {
          assigned_to: string | null;
          conversation_id: string;
          read_seq: number;
          updated_at: string;
          updated_by: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "conversation_desk_assigned_to_fkey";
            columns: ["assigned_to"];
            isOneToOne: false;
            referencedRelation: "team_members";
            referencedColumns: ["user_id"];
          },
          {
            foreignKeyName: "conversation_desk_conversation_id_fkey";
            columns: ["conversation_id"];
            isOneToOne: true;
            referencedRelation: "conversations";
            referencedColumns: ["id"];
          },
        ];
      };
      conversation_notes: {
        Row: {
          at: string;
          by: string;
          conversation_id: string;
          id: string;
          text: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "conversation_notes_conversation_id_fkey";
            columns: ["conversation_id"];
            isOneToOne: false;
            referencedRelation: "conversations";
            referencedColumns: ["id"];
          },
        ];
      };
      conversations: {
        Row: {
          channel: string;
          contact_id: string;
          created_at: string;
          held_revision: number | null;
          id: string;
          last_inbound_at: string | null;
          last_message_at: string | null;
          number_id: string;
          opt_told_at: string | null;
          opted_out_at: string | null;
          routed_seq: number;
          sticky_route_id: string | null;
          sticky_until: string | null;
          taken_at: string | null;
          taken_by: string | null;
          taken_until: string | null;
          unrouted_since: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "conversations_contact_id_fkey";
            columns: ["contact_id"];
            isOneToOne: false;
            referencedRelation: "contacts";
            referencedColumns: ["id"];
          },
        ];
      };
      counters: {
        Row: {
          label: string;
          name: string;
          slot: number;
          value: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      deliveries: {
        Row: {
          attempt: number;
          conversation_id: string;
          created_at: string;
          delivered_at: string | null;
          destination_id: string;
          dropped_reason: string | null;
          event_id: string | null;
          id: string;
          last_error: string | null;
          message_id: string | null;
          next_attempt_at: string;
          resent: number;
          resent_for: string | null;
          seq: number;
          state: "pending" | "leased" | "delivered" | "dead";
          updated_at: string;
          wakes: boolean;
          woken: number | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "deliveries_destination_id_fkey";
            columns: ["destination_id"];
            isOneToOne: false;
            referencedRelation: "destinations";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "deliveries_event_id_fkey";
            columns: ["event_id"];
            isOneToOne: false;
            referencedRelation: "service_events";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "deliveries_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: false;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      delivery_attempts: {
        Row: {
          answer: string | null;
          at: string;
          attempt: number;
          delivery_id: string;
          error: string | null;
          latency_ms: number | null;
          left_out: JsonOf<"delivery_attempts.left_out"> | null;
          outcome: "delivered" | "retry" | "dead";
          status: number | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "delivery_attempts_delivery_id_fkey";
            columns: ["delivery_id"];
            isOneToOne: false;
            referencedRelation: "deliveries";
            referencedColumns: ["id"];
          },
        ];
      };
      destination_allowlist: {
        Row: {
          created_at: string;
          created_by: string;
          pattern: string;
          purpose: "forward" | "redirect";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      destinations: {
        Row: {
          circuit_failures: number;
          circuit_open_until: string | null;
          circuit_probe: string | null;
          circuit_trips: number;
          circuit_waking: boolean;
          created_at: string;
          events: string[];
          failure_policy: JsonOf<"destinations.failure_policy">;
          format: "gatelink" | "meta";
          id: string;
          kind: "http" | "inbox";
          name: string;
          paused_because: string | null;
          rate_burst: number;
          rate_per_second: number | null;
          rate_tat: string | null;
          removed_at: string | null;
          retry_seconds: number[] | null;
          state: "active" | "paused";
          timeout_ms: number;
          updated_at: string;
          updated_by: string;
          url: string;
          version: number;
          when_taken: "skip" | "mark";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      email_events: {
        Row: {
          created_at: string;
          event_type: string;
          id: number;
          identity: string | null;
          mail_id: string | null;
          message_id: string | null;
          metadata: JsonOf<"email_events.metadata">;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      email_identities: {
        Row: {
          created_at: string;
          display_name: string | null;
          forward_to: string | null;
          from_email: string;
          id: string;
          is_default: boolean;
          provider: "sendgrid" | "resend";
          state: "unverified" | "active" | "paused";
          user_id: string | null;
          verified_at: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      email_replies: {
        Row: {
          arm: "on" | "off" | null;
          campaign_id: string | null;
          failed_at: string | null;
          forward_wanted: boolean;
          forwarded_at: string | null;
          identity: string | null;
          is_recipient: boolean;
          message_id: string;
          reply_to: string | null;
          reply_ts: string;
          verified: boolean;
          via: "token" | "legacy" | "references" | "none";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "email_replies_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: true;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      erasures: {
        Row: {
          at: string;
          by: string;
          counts: JsonOf<"erasures.counts">;
          done: boolean;
          id: string;
          part: number;
          transaction: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      escalation_steps: {
        Row: {
          after_minutes: number;
          endpoint_id: string | null;
          role: string;
          severity: "P0" | "P1" | "P2";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "escalation_steps_endpoint_id_fkey";
            columns: ["endpoint_id"];
            isOneToOne: false;
            referencedRelation: "notification_endpoints";
            referencedColumns: ["id"];
          },
        ];
      };
      feedback: {
        Row: {
          actor: string;
          at: string;
          id: string;
          key: string | null;
          kind: "complaint" | "rating";
          message_id: string | null;
          positive: boolean;
          rating: number | null;
          source: "api" | "team" | "chat";
          subject_id: string;
          text: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      flag_evaluations: {
        Row: {
          first_at: string;
          flag_key: string;
          last_at: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      flag_metrics: {
        Row: {
          arm: "on" | "off";
          failed: number;
          failed_again: number;
          flag_key: string;
          le: number[];
          minute: string;
          ms: number;
          n: number;
          score: number | null;
          score2: number | null;
          slow_again: number[];
          timed: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      gate_approvals: {
        Row: {
          applies: boolean;
          flag_key: string;
          gate: string;
          id: string;
          note: string | null;
          revoked_at: string | null;
          revoked_because: string | null;
          revoked_by: string | null;
          role: "engineering" | "security" | "product" | "cto";
          signed_as: string;
          signed_at: string;
          signed_by: string;
          signed_with: "session" | "secret_key";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      imports: {
        Row: {
          at: string;
          began_at: string;
          channel: string;
          error: string | null;
          messages: number;
          number_id: string;
          phase: number | null;
          progress: number;
          state: "importing" | "complete" | "declined" | "failed";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      incident_updates: {
        Row: {
          actor: string;
          at: string;
          changes: JsonOf<"incident_updates.changes">;
          id: string;
          incident_id: string;
          kind:
            | "opened"
            | "noted"
            | "published"
            | "changed"
            | "acknowledged"
            | "escalated"
            | "taken_back"
            | "resolved";
          public: boolean;
          status: string;
          text: string | null;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "incident_updates_incident_id_fkey";
            columns: ["incident_id"];
            isOneToOne: false;
            referencedRelation: "incidents";
            referencedColumns: ["id"];
          },
        ];
      };
      incidents: {
        Row: {
          acknowledged_at: string | null;
          acknowledged_by: string | null;
          cause: string | null;
          component: string | null;
          escalate_at: string | null;
          escalated: number;
          escalates_from: string;
          flag_key: string | null;
          id: string;
          kind:
            | "error_rate"
            | "security"
            | "performance"
            | "critical_bug"
            | "complaints"
            | "flag_stuck"
            | "release"
            | "data"
            | "outage"
            | "bug"
            | "confusion"
            | "other";
          number: number;
          opened_at: string;
          opened_by: string;
          public: boolean;
          resolved_at: string | null;
          resolved_by: string | null;
          rollback_id: string | null;
          rollout_id: string | null;
          severity: "P0" | "P1" | "P2";
          status: "investigating" | "identified" | "monitoring" | "resolved";
          status_page_id: string | null;
          title: string;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "incidents_rollback_id_fkey";
            columns: ["rollback_id"];
            isOneToOne: false;
            referencedRelation: "rollback_events";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "incidents_rollout_id_fkey";
            columns: ["rollout_id"];
            isOneToOne: false;
            referencedRelation: "rollouts";
            referencedColumns: ["id"];
          },
        ];
      };
      link_guesses: {
        Row: {
          code: string;
          hour: string;
          wrong: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "link_guesses_code_fkey";
            columns: ["code"];
            isOneToOne: false;
            referencedRelation: "links";
            referencedColumns: ["code"];
          },
        ];
      };
      links: {
        Row: {
          campaign: string | null;
          changed_in: string;
          code: string;
          confirm: boolean;
          created_at: string;
          created_by: string;
          default_url: string | null;
          expired_url: string | null;
          expires_at: string | null;
          external_id: string | null;
          fingerprint: boolean;
          flag_key: string | null;
          max_uses: number | null;
          member_versions: JsonOf<"links.member_versions">;
          note: string | null;
          pass_query: boolean;
          preview: JsonOf<"links.preview"> | null;
          request_hash: string;
          starts_at: string | null;
          state: "active" | "disabled" | "blocked" | "deleted";
          tags: string[];
          taken: number;
          targets: JsonOf<"links.targets">;
          title: string | null;
          updated_at: string;
          updated_by: string;
          uses: number;
          utm: JsonOf<"links.utm">;
          version: number;
          whatsapp: JsonOf<"links.whatsapp"> | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      measurements: {
        Row: {
          counts: number[];
          label: string;
          last_at: string;
          minute: string;
          ms: number;
          n: number;
          name: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      media_files: {
        Row: {
          attempt: number;
          bytes: number | null;
          created_at: string;
          error: string | null;
          lease: string | null;
          media_id: string;
          message_id: string;
          mime_type: string | null;
          next_attempt_at: string | null;
          number_id: string;
          path: string | null;
          settled_at: string | null;
          sha256: string | null;
          state: "pending" | "stored" | "gone" | "too_large" | "failed";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "media_files_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: true;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      media_provider_ids: {
        Row: {
          media_id: string;
          number_id: string;
          upload_id: string;
          uploaded_at: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "media_provider_ids_upload_id_fkey";
            columns: ["upload_id"];
            isOneToOne: false;
            referencedRelation: "media_uploads";
            referencedColumns: ["id"];
          },
        ];
      };
      media_uploads: {
        Row: {
          bytes: number;
          created_at: string;
          created_by: string;
          id: string;
          mime_type: string;
          name: string | null;
          path: string;
          sha256: string;
          used_at: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      messages: {
        Row: {
          channel: string;
          choice: string | null;
          conversation_id: string;
          created_at: string;
          direction: "in" | "out";
          error: JsonOf<"messages.error"> | null;
          forwarded: boolean;
          from_email: string | null;
          id: string;
          link_token: string | null;
          message_id_header: string | null;
          native: JsonOf<"messages.native"> | null;
          pricing: JsonOf<"messages.pricing"> | null;
          provider_id: string | null;
          referral: JsonOf<"messages.referral"> | null;
          reply_to: string | null;
          sender_identity_id: string | null;
          sent_at: string | null;
          seq: number;
          status: string;
          status_at: JsonOf<"messages.status_at">;
          status_rank: number;
          text: string | null;
          thread_id: string | null;
          traceparent: string | null;
          type: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "messages_conversation_id_fkey";
            columns: ["conversation_id"];
            isOneToOne: false;
            referencedRelation: "conversations";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "messages_sender_identity_id_fkey";
            columns: ["sender_identity_id"];
            isOneToOne: false;
            referencedRelation: "email_identities";
            referencedColumns: ["id"];
          },
        ];
      };
      metric_days: {
        Row: {
          day: string;
          n: number;
          name: string;
          slot: number;
          value: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "metric_days_name_fkey";
            columns: ["name"];
            isOneToOne: false;
            referencedRelation: "business_metrics";
            referencedColumns: ["name"];
          },
        ];
      };
      notification_endpoints: {
        Row: {
          created_at: string;
          created_by: string;
          events: string[];
          host: string;
          id: string;
          kind: "webhook" | "slack" | "email";
          name: string;
          state: "active" | "paused";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      notifications: {
        Row: {
          attempt: number;
          created_at: string;
          delivered_at: string | null;
          endpoint_id: string;
          event_id: string | null;
          id: string;
          last_error: string | null;
          lease: string | null;
          message_id: string | null;
          next_attempt_at: string;
          payload: JsonOf<"notifications.payload">;
          state: "pending" | "leased" | "delivered" | "dead";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "notifications_endpoint_id_fkey";
            columns: ["endpoint_id"];
            isOneToOne: false;
            referencedRelation: "notification_endpoints";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "notifications_event_id_fkey";
            columns: ["event_id"];
            isOneToOne: false;
            referencedRelation: "rollout_events";
            referencedColumns: ["id"];
          },
        ];
      };
      orphan_visits: {
        Row: {
          code: string;
          day: string;
          visits: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      outbound_messages: {
        Row: {
          aside: boolean;
          attempt: number;
          channel: string;
          conversation_id: string;
          created_at: string;
          deferred: number;
          error: JsonOf<"outbound_messages.error"> | null;
          fallback: JsonOf<"outbound_messages.fallback"> | null;
          id: string;
          idempotency_key: string | null;
          message_id: string | null;
          next_attempt_at: string;
          number_id: string;
          payload: JsonOf<"outbound_messages.payload"> | null;
          recipient: string | null;
          request_hash: string | null;
          state: "queued" | "leased" | "sent" | "failed" | "unknown";
          tried_at: string | null;
          updated_at: string;
          used_fallback: boolean;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "outbound_messages_conversation_id_fkey";
            columns: ["conversation_id"];
            isOneToOne: false;
            referencedRelation: "conversations";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "outbound_messages_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: false;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      rate_limits: {
        Row: {
          allowed: boolean;
          key: string;
          tat: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      reply_tokens: {
        Row: {
          created_at: string;
          message_id: string;
          token: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "reply_tokens_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: false;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      reports: {
        Row: {
          created_at: string;
          due_at: string;
          figures: JsonOf<"reports.figures">;
          flag_key: string | null;
          id: string;
          kind: "first_day" | "daily" | "weekly";
          look: string[];
          period_from: string;
          rollout_id: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "reports_rollout_id_fkey";
            columns: ["rollout_id"];
            isOneToOne: false;
            referencedRelation: "rollouts";
            referencedColumns: ["id"];
          },
        ];
      };
      rollback_events: {
        Row: {
          began_at: string;
          id: string;
          level: number;
          ok: boolean;
          reason: string;
          recorded_at: string;
          recorded_by: string;
          steps: JsonOf<"rollback_events.steps">;
          target: string;
          took_ms: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      rollout_events: {
        Row: {
          actor: string;
          at: string;
          evidence: JsonOf<"rollout_events.evidence"> | null;
          figures: JsonOf<"rollout_events.figures">;
          id: string;
          kind:
            | "created"
            | "started"
            | "advanced"
            | "held"
            | "checked"
            | "paged"
            | "paused"
            | "resumed"
            | "rolled_back"
            | "completed";
          message: string | null;
          reason: string | null;
          rollout_id: string;
          rollout_version: number;
          rule: string | null;
          setting_version: number | null;
          stage: number;
          verdict: "advance" | "hold" | "roll_back" | "page" | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "rollout_events_rollout_id_fkey";
            columns: ["rollout_id"];
            isOneToOne: false;
            referencedRelation: "rollouts";
            referencedColumns: ["id"];
          },
        ];
      };
      rollout_feedback: {
        Row: {
          arm: "on" | "off";
          feedback_id: string;
          rollout_id: string;
          stage: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "rollout_feedback_feedback_id_fkey";
            columns: ["feedback_id"];
            isOneToOne: false;
            referencedRelation: "feedback";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "rollout_feedback_rollout_id_fkey";
            columns: ["rollout_id"];
            isOneToOne: false;
            referencedRelation: "rollouts";
            referencedColumns: ["id"];
          },
        ];
      };
      rollout_notices: {
        Row: {
          at: string | null;
          day: number;
          due_at: string;
          position: number;
          report: boolean;
          rollout_id: string;
          state: "planned" | "told" | "skipped";
          text: string;
          to_whom: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "rollout_notices_rollout_id_fkey";
            columns: ["rollout_id"];
            isOneToOne: false;
            referencedRelation: "rollouts";
            referencedColumns: ["id"];
          },
        ];
      };
      rollout_stages: {
        Row: {
          advance_when: JsonOf<"rollout_stages.advance_when">;
          among: string[];
          chosen: string[];
          entered_at: string | null;
          first_day: JsonOf<"rollout_stages.first_day"> | null;
          hold_minutes: number;
          left_at: string | null;
          metrics: JsonOf<"rollout_stages.metrics">;
          min_samples: number;
          name: string;
          overdue_minutes: number | null;
          percentage: number;
          position: number;
          roll_back_when: JsonOf<"rollout_stages.roll_back_when">;
          rollout_id: string;
          segments: string[];
          user_ids: string[];
          users: number | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "rollout_stages_rollout_id_fkey";
            columns: ["rollout_id"];
            isOneToOne: false;
            referencedRelation: "rollouts";
            referencedColumns: ["id"];
          },
        ];
      };
      rollouts: {
        Row: {
          checkpoint: JsonOf<"rollouts.checkpoint"> | null;
          checkpoint_at: string | null;
          created_at: string;
          created_by: string;
          finished_at: string | null;
          flag_key: string;
          guard: JsonOf<"rollouts.guard"> | null;
          hold_reason: string | null;
          id: string;
          plan: string;
          setting_version: number | null;
          stage: number;
          stage_started_at: string | null;
          started_at: string | null;
          state: "draft" | "running" | "paused" | "completed" | "rolled_back";
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      route_destinations: {
        Row: {
          destination_id: string;
          position: number;
          route_id: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "route_destinations_destination_id_fkey";
            columns: ["destination_id"];
            isOneToOne: false;
            referencedRelation: "destinations";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "route_destinations_route_id_fkey";
            columns: ["route_id"];
            isOneToOne: false;
            referencedRelation: "routes";
            referencedColumns: ["id"];
          },
        ];
      };
      route_history: {
        Row: {
          active: boolean;
          changed_at: string;
          changed_by: string;
          channels: string[];
          condition: JsonOf<"route_history.condition">;
          destinations: string[];
          flag_key: string | null;
          mode: string;
          name: string;
          priority: number;
          route_id: string;
          sticky_minutes: number | null;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      routes: {
        Row: {
          active: boolean;
          channels: string[];
          condition: JsonOf<"routes.condition">;
          created_at: string;
          flag_key: string | null;
          id: string;
          mode: "first" | "all";
          name: string;
          priority: number;
          sticky_minutes: number | null;
          updated_at: string;
          updated_by: string;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      routing_decisions: {
        Row: {
          contact: string | null;
          decided_at: string;
          destination_ids: string[];
          explanation: JsonOf<"routing_decisions.explanation">;
          message_id: string;
          reason: "matched" | "sticky" | "default" | "no_match" | "kept" | "taken_over";
          revision: number;
          route_id: string | null;
          route_name: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "routing_decisions_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: true;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "routing_decisions_route_id_fkey";
            columns: ["route_id"];
            isOneToOne: false;
            referencedRelation: "routes";
            referencedColumns: ["id"];
          },
        ];
      };
      saved_views: {
        Row: {
          created_at: string;
          created_by: string;
          id: string;
          name: string;
          page: string;
          search: string;
          shared: boolean;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "saved_views_created_by_fkey";
            columns: ["created_by"];
            isOneToOne: false;
            referencedRelation: "team_members";
            referencedColumns: ["user_id"];
          },
        ];
      };
      segment_history: {
        Row: {
          added: string[];
          changed_at: string;
          changed_by: string;
          reason: string | null;
          removed: string[];
          segment_key: string;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      segment_members: {
        Row: {
          added_at: string;
          added_by: string;
          segment_key: string;
          subject_id: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "segment_members_segment_key_fkey";
            columns: ["segment_key"];
            isOneToOne: false;
            referencedRelation: "segments";
            referencedColumns: ["key"];
          },
        ];
      };
      segments: {
        Row: {
          description: string;
          key: string;
          updated_at: string;
          updated_by: string;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      sender_accounts: {
        Row: {
          channel: string;
          created_at: string;
          id: string;
          name: string | null;
          state: "active" | "restricted" | "banned";
          state_at: string | null;
          state_until: string | null;
          state_why: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      sender_states: {
        Row: {
          channel: string;
          checked_at: string | null;
          messaging_limit: string | null;
          name: string | null;
          quality: string | null;
          sender_id: string;
          status: string | null;
          told_at: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "sender_states_sender";
            columns: ["channel", "sender_id"];
            isOneToOne: true;
            referencedRelation: "senders";
            referencedColumns: ["channel", "id"];
          },
        ];
      };
      senders: {
        Row: {
          account: string | null;
          address: string | null;
          channel: string;
          class: string | null;
          created_at: string;
          credentials: string | null;
          held_code: string | null;
          held_probes: number;
          held_since: string | null;
          held_until: string | null;
          id: string;
          max_per_second: number;
          org: string | null;
          pair_burst: number;
          pair_seconds: number;
          provider: string;
          send_tat: string | null;
          state: "active" | "paused";
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      service_events: {
        Row: {
          account: string | null;
          at: string;
          channel: string;
          conversation_id: string | null;
          created_at: string;
          detail: JsonOf<"service_events.detail">;
          field: string | null;
          id: string;
          message_id: string | null;
          native: JsonOf<"service_events.native"> | null;
          number_id: string | null;
          seq: number;
          type: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "service_events_conversation_id_fkey";
            columns: ["conversation_id"];
            isOneToOne: false;
            referencedRelation: "conversations";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "service_events_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: false;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      settings: {
        Row: {
          key: string;
          metadata: JsonOf<"settings.metadata">;
          updated_at: string;
          updated_by: string;
          value: string;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      settings_history: {
        Row: {
          after: JsonOf<"settings_history.after"> | null;
          before: JsonOf<"settings_history.before"> | null;
          changed_at: string;
          changed_by: string;
          gates: "rollout" | "not_asked" | null;
          key: string;
          reason: string | null;
          version: number;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      storage_objects: {
        Row: {
          bucket: string;
          bytes: number;
          created_at: string;
          expires_at: string;
          kind: "raw" | "attachment" | "media";
          message_id: string | null;
          of_message: boolean;
          path: string;
          place: number | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [
          {
            foreignKeyName: "storage_objects_message_id_fkey";
            columns: ["message_id"];
            isOneToOne: false;
            referencedRelation: "messages";
            referencedColumns: ["id"];
          },
        ];
      };
      suppressions: {
        Row: {
          address: string;
          by: string;
          reason: string;
          scope: "all" | "bulk";
          since: string;
          source: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      team_history: {
        Row: {
          after: JsonOf<"team_history.after"> | null;
          at: string;
          before: JsonOf<"team_history.before"> | null;
          by: string;
          change: "added" | "changed" | "removed";
          email: string | null;
          id: string;
          user_id: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      team_members: {
        Row: {
          approvals: string[];
          created_at: string;
          role: "viewer" | "operator" | "admin";
          user_id: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      wa_templates: {
        Row: {
          account: string;
          category: string | null;
          components: JsonOf<"wa_templates.components">;
          found: JsonOf<"wa_templates.found">;
          id: string | null;
          language: string;
          name: string;
          parameter_format: "positional" | "named";
          quality: string | null;
          reason: string | null;
          status: string;
          synced_at: string | null;
          told_at: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
      webhook_events: {
        Row: {
          dedupe_key: string;
          field: string;
          kind: "message" | "echo" | "status" | "identity" | "past_message" | "past_echo" | "name" | "other";
          number_id: string | null;
          provider: string;
          raw: JsonOf<"webhook_events.raw"> | null;
          received_at: string;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
    };
    Views: {
      wa_numbers: {
        Row: {
          created_at: string;
          display_number: string | null;
          id: string;
          max_per_second: number;
          pair_burst: number;
          pair_seconds: number;
          send_tat: string | null;
        };
        Insert: Record<never, never>;
        Update: Record<never, never>;
        Relationships: [];
      };
    };
    Functions: {
      acknowledge_incident: {
        Args: {
          p_number: number;
        };
        Returns: Database["public"]["Tables"]["incidents"]["Row"];
      };
      add_conversation_note: {
        Args: {
          p_conversation_id: string;
          p_text: string;
        };
        Returns: Json;
      };
      add_counts: {
        Args: {
          p_counts: Json;
        };
        Returns: null;
      };
      add_destination: {
        Args: {
          p_name: string;
          p_url: string;
          p_options?: Json;
        };
        Returns: Json;
      };
      add_feedback: {
        Args: {
          p_kind: string;
          p_person: string;
          p_flag_key?: string | null;
          p_rating?: number | null;
          p_text?: string | null;
          p_message_id?: string | null;
        };
        Returns: Json;
      };
      add_flag_targets: {
        Args: {
          p_key: string;
          p_expected_version: number;
          p_user_ids?: readonly string[];
          p_phones?: readonly string[];
          p_segments?: readonly string[];
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["settings"]["Row"];
      };
      add_identity: {
        Args: {
          p_from_email: string;
          p_options?: Json;
        };
        Returns: Json;
      };
      add_measurements: {
        Args: {
          p_measurements: Json;
        };
        Returns: null;
      };
      add_media_upload: {
        Args: {
          p_upload: Json;
        };
        Returns: Json;
      };
      add_notification_endpoint: {
        Args: {
          p_name: string;
          p_kind: string;
          p_url: string;
          p_events?: readonly string[];
        };
        Returns: Json;
      };
      add_route: {
        Args: {
          p_destinations: readonly string[];
          p_condition: Json;
          p_priority?: number;
          p_options?: Json;
        };
        Returns: Json;
      };
      add_segment_members: {
        Args: {
          p_key: string;
          p_expected_version: number;
          p_user_ids?: readonly string[];
          p_phones?: readonly string[];
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["segments"]["Row"];
      };
      add_suppression: {
        Args: {
          p_address: string;
          p_reason?: string;
          p_scope?: string;
        };
        Returns: Json;
      };
      add_team_member: {
        Args: {
          p_email: string;
          p_role: string;
          p_approvals?: readonly string[] | null;
        };
        Returns: Database["public"]["Tables"]["team_members"]["Row"];
      };
      advance_rollout: {
        Args: {
          p_id: string;
          p_expected_version: number;
          p_reason: string;
        };
        Returns: Database["public"]["Tables"]["rollouts"]["Row"];
      };
      allow_host: {
        Args: {
          p_pattern: string;
          p_purpose: string;
        };
        Returns: Json;
      };
      answer_category: {
        Args: {
          p_message_id: string;
          p_found: Json;
        };
        Returns: Json;
      };
      attention: { Args: Record<never, never>; Returns: Json };
      begin_identity_check: {
        Args: {
          p_id: string;
          p_what: string;
        };
        Returns: Json;
      };
      change_matching_deliveries: {
        Args: {
          p_act: string;
          p_list: string;
          p_filter: Json;
          p_before: string;
          p_reason?: string | null;
          p_limit?: number;
        };
        Returns: number;
      };
      check_flag: {
        Args: {
          p_key: string;
          p_person: string;
        };
        Returns: Json;
      };
      check_identity: {
        Args: {
          p_id: string;
          p_what: string;
          p_code: string;
        };
        Returns: Json;
      };
      check_links: {
        Args: {
          p_links: Json;
          p_actor: string;
        };
        Returns: Json;
      };
      claim_click: {
        Args: {
          p_token: string;
          p_fingerprints?: readonly string[] | null;
          p_claimers?: readonly string[] | null;
        };
        Returns: Json;
      };
      claim_deliveries: {
        Args: {
          p_limit: number;
          p_lease_seconds?: number;
          p_busy?: Json;
          p_channels?: readonly string[];
        };
        Returns: Json;
      };
      claim_media: {
        Args: {
          p_limit: number;
          p_lease_seconds: number;
        };
        Returns: Json;
      };
      claim_notifications: {
        Args: {
          p_limit?: number;
          p_lease_seconds?: number;
        };
        Returns: Json;
      };
      claim_outbound: {
        Args: {
          p_limit: number;
          p_lease_seconds?: number;
          p_busy?: Json;
          p_channels?: readonly string[];
        };
        Returns: Json;
      };
      claim_status_posts: {
        Args: {
          p_limit?: number;
          p_lease_seconds?: number;
        };
        Returns: Json;
      };
      claim_storage_purges: {
        Args: {
          p_limit?: number;
        };
        Returns: Json;
      };
      claim_template_syncs: {
        Args: {
          p_all?: boolean;
        };
        Returns: Json;
      };
      claim_unrouted: {
        Args: {
          p_revision: number;
          p_conversations: number;
          p_each?: number;
          p_channels?: readonly string[];
        };
        Returns: Json;
      };
      complete_rollout: {
        Args: {
          p_id: string;
          p_expected_version: number;
          p_reason: string;
        };
        Returns: Database["public"]["Tables"]["rollouts"]["Row"];
      };
      conversation_messages: {
        Args: {
          p_conversation_id: string;
          p_before?: number | null;
          p_limit?: number;
        };
        Returns: Json;
      };
      count_contacts: {
        Args: {
          p_now?: string;
        };
        Returns: Json;
      };
      count_matching_deliveries: {
        Args: {
          p_list: string;
          p_filter?: Json;
        };
        Returns: Json;
      };
      create_announcement: {
        Args: {
          p_announcement: Json;
        };
        Returns: Json;
      };
      create_links: {
        Args: {
          p_links: Json;
          p_actor: string;
        };
        Returns: Json;
      };
      create_rollout: {
        Args: {
          p_flag_key: string;
          p_plan: Json;
          p_reason?: string | null;
          p_id?: string | null;
        };
        Returns: Database["public"]["Tables"]["rollouts"]["Row"];
      };
      delete_announcement: {
        Args: {
          p_id: string;
          p_expected_version: number;
        };
        Returns: boolean;
      };
      delete_link: {
        Args: {
          p_code: string;
          p_actor: string;
        };
        Returns: boolean;
      };
      delivery_log: {
        Args: {
          p_destination: string;
          p_filter?: Json;
          p_limit?: number;
        };
        Returns: Json;
      };
      destination_figures: {
        Args: {
          p_destination: string;
          p_hours?: number;
          p_now?: string;
        };
        Returns: Json;
      };
      destination_health: {
        Args: {
          p_now?: string;
          p_filter?: Json;
          p_limit?: number | null;
        };
        Returns: Json;
      };
      destination_to_test: {
        Args: {
          p_name: string;
        };
        Returns: Json;
      };
      diagnostics: { Args: Record<never, never>; Returns: Json };
      disallow_host: {
        Args: {
          p_pattern: string;
          p_purpose: string;
        };
        Returns: boolean;
      };
      drop_deliveries: {
        Args: {
          p_ids: readonly string[];
          p_reason: string;
        };
        Returns: number;
      };
      email_overview: {
        Args: {
          p_days?: number;
        };
        Returns: Json;
      };
      enqueue_outbound: {
        Args: {
          p_items: Json;
        };
        Returns: Json;
      };
      erase_contact: {
        Args: {
          p_person: string;
          p_erasure?: string | null;
          p_limit?: number;
        };
        Returns: Json;
      };
      export_contact: {
        Args: {
          p_person: string;
        };
        Returns: Json;
      };
      fail_template_sync: {
        Args: {
          p_account: string;
          p_error: string;
        };
        Returns: null;
      };
      find_link: {
        Args: {
          p_code: string;
        };
        Returns: Json;
      };
      find_media: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      find_suppression: {
        Args: {
          p_address: string;
        };
        Returns: Json;
      };
      first_steps: { Args: Record<never, never>; Returns: Json };
      forecast_rollout: {
        Args: {
          p_flag_key: string;
          p_plan: Json;
          p_per_minute?: number | null;
          p_failure_rate?: number | null;
          p_now?: string;
        };
        Returns: Json;
      };
      get_links: {
        Args: {
          p_codes: readonly string[];
          p_ahead?: number;
        };
        Returns: Json;
      };
      guessed_links: { Args: Record<never, never>; Returns: Json };
      health: { Args: Record<never, never>; Returns: Json };
      ingest_mail_events: {
        Args: {
          p_events: Json;
        };
        Returns: Json;
      };
      ingest_mails: {
        Args: {
          p_mails: Json;
        };
        Returns: Json;
      };
      ingest_updates: {
        Args: {
          p_updates: Json;
        };
        Returns: Json;
      };
      known_templates: {
        Args: {
          p_names: readonly string[];
        };
        Returns: Json;
      };
      launch_facts: {
        Args: {
          p_flag_key: string;
        };
        Returns: Json;
      };
      lift_suppression: {
        Args: {
          p_address: string;
          p_scope?: string;
        };
        Returns: Json;
      };
      link_clicks: {
        Args: {
          p_codes: readonly string[];
        };
        Returns: Json;
      };
      link_stats: {
        Args: {
          p_code: string;
          p_from: string;
          p_to: string;
          p_zone?: string | null;
        };
        Returns: Json;
      };
      list_affected: {
        Args: {
          p_flag_key: string;
          p_since?: string | null;
          p_offset?: number;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_announcements: {
        Args: {
          p_limit?: number;
          p_filter?: Json;
        };
        Returns: Json;
      };
      list_audit: {
        Args: {
          p_filter?: Json;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_canned_replies: { Args: Record<never, never>; Returns: Json };
      list_conversations: {
        Args: {
          p_before?: string | null;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_dead_letters: {
        Args: {
          p_filter?: Json;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_desk_conversations: {
        Args: {
          p_which: string;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_desks: {
        Args: {
          p_conversation_ids: readonly string[];
        };
        Returns: Json;
      };
      list_feedback: {
        Args: {
          p_flag_key?: string | null;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_flags: {
        Args: {
          p_filter?: Json;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_identities: {
        Args: {
          p_filter?: Json;
          p_limit?: number | null;
        };
        Returns: Json;
      };
      list_imports: { Args: Record<never, never>; Returns: Json };
      list_incidents: {
        Args: {
          p_open?: boolean | null;
          p_limit?: number;
          p_filter?: Json;
        };
        Returns: Json;
      };
      list_kill_switches: { Args: Record<never, never>; Returns: Json };
      list_links: {
        Args: {
          p_filter?: Json;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_metrics: {
        Args: {
          p_days?: number;
        };
        Returns: Json;
      };
      list_notices: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      list_numbers: { Args: Record<never, never>; Returns: Json };
      list_reports: {
        Args: {
          p_flag_key?: string | null;
          p_limit?: number;
          p_before?: string | null;
        };
        Returns: Json;
      };
      list_routes: {
        Args: {
          p_filter?: Json;
          p_limit?: number;
        };
        Returns: Json;
      };
      list_suppressions: {
        Args: {
          p_before?: string | null;
          p_limit?: number;
          p_same?: number | null;
          p_search?: string | null;
        };
        Returns: Json;
      };
      list_team: { Args: Record<never, never>; Returns: Json };
      list_templates: { Args: Record<never, never>; Returns: Json };
      list_unknown: {
        Args: {
          p_limit?: number;
          p_filter?: Json;
        };
        Returns: Json;
      };
      list_waiting: {
        Args: {
          p_filter?: Json;
          p_limit?: number;
        };
        Returns: Json;
      };
      load_config: {
        Args: {
          p_revision?: number | null;
        };
        Returns: Json;
      };
      mail_notification: {
        Args: {
          p_id: string;
          p_lease: string;
          p_subject: string;
          p_text: string;
        };
        Returns: Json;
      };
      mail_to_show: {
        Args: {
          p_message_id: string;
          p_by: string;
        };
        Returns: Json;
      };
      message_story: {
        Args: {
          p_message_id: string;
        };
        Returns: Json;
      };
      metrics: { Args: Record<never, never>; Returns: Json };
      move_route: {
        Args: {
          p_id: string;
          p_version: number;
          p_before: string;
        };
        Returns: Json;
      };
      name_account: {
        Args: {
          p_id: string;
          p_name: string;
        };
        Returns: Json;
      };
      name_contacts: {
        Args: {
          p_ids: readonly string[];
        };
        Returns: Json;
      };
      note_provider_media: {
        Args: {
          p_id: string;
          p_number_id: string;
          p_media_id: string;
        };
        Returns: null;
      };
      note_storage_objects: {
        Args: {
          p_objects: Json;
        };
        Returns: number;
      };
      number_credentials: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      numbers_to_check: { Args: Record<never, never>; Returns: Json };
      open_incident: {
        Args: {
          p_title: string;
          p_kind?: string;
          p_severity?: string | null;
          p_flag_key?: string | null;
          p_component?: string | null;
          p_public?: boolean;
          p_note?: string | null;
          p_public_text?: string | null;
        };
        Returns: Database["public"]["Tables"]["incidents"]["Row"];
      };
      open_window: {
        Args: {
          p_to: string;
          p_at: string;
          p_number_id?: string | null;
        };
        Returns: Json;
      };
      outbound_outcome: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      overview: {
        Args: {
          p_minutes?: number;
        };
        Returns: Json;
      };
      pause_rollout: {
        Args: {
          p_id: string;
          p_expected_version: number;
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["rollouts"]["Row"];
      };
      plan_of_template: {
        Args: {
          p_name: string;
        };
        Returns: Json;
      };
      read_announcement: {
        Args: {
          p_id: string;
          p_after?: string | null;
          p_limit?: number;
        };
        Returns: Json;
      };
      read_incident: {
        Args: {
          p_number: number;
        };
        Returns: Json;
      };
      read_report: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      reconcile: { Args: Record<never, never>; Returns: Json };
      record_clicks: {
        Args: {
          p_batch: string;
          p_slot: number;
          p_clicks: string;
        };
        Returns: null;
      };
      record_decisions: {
        Args: {
          p_revision: number;
          p_conversations: Json;
          p_claim?: Json;
        };
        Returns: Json;
      };
      record_feedback: {
        Args: {
          p_feedback: Json;
        };
        Returns: Json;
      };
      record_metrics: {
        Args: {
          p_metrics: Json;
        };
        Returns: Json;
      };
      record_number_check: {
        Args: {
          p_found: Json;
        };
        Returns: null;
      };
      record_orphans: {
        Args: {
          p_visits: Json;
        };
        Returns: Json;
      };
      record_outcomes: {
        Args: {
          p_outcomes: Json;
          p_evaluated?: readonly string[];
        };
        Returns: null;
      };
      record_repeats: {
        Args: {
          p_batch: string;
          p_slot: number;
          p_repeats: Json;
        };
        Returns: null;
      };
      record_rollback: {
        Args: {
          p_event: Json;
        };
        Returns: string;
      };
      refresh_links: {
        Args: {
          p_since?: string | null;
        };
        Returns: Json;
      };
      release_conversation: {
        Args: {
          p_conversation_id: string;
        };
        Returns: Json;
      };
      remove_canned_reply: {
        Args: {
          p_name: string;
        };
        Returns: boolean;
      };
      remove_conversation_note: {
        Args: {
          p_id: string;
        };
        Returns: boolean;
      };
      remove_destination: {
        Args: {
          p_name: string;
          p_reason?: string | null;
        };
        Returns: Json;
      };
      remove_flag_targets: {
        Args: {
          p_key: string;
          p_expected_version: number;
          p_user_ids?: readonly string[];
          p_phones?: readonly string[];
          p_segments?: readonly string[];
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["settings"]["Row"];
      };
      remove_identity: {
        Args: {
          p_id: string;
        };
        Returns: null;
      };
      remove_media_upload: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      remove_notification_endpoint: {
        Args: {
          p_name: string;
        };
        Returns: boolean;
      };
      remove_number: {
        Args: {
          p_id: string;
        };
        Returns: null;
      };
      remove_route: {
        Args: {
          p_id: string;
        };
        Returns: boolean;
      };
      remove_segment: {
        Args: {
          p_key: string;
          p_expected_version: number;
          p_reason?: string | null;
        };
        Returns: boolean;
      };
      remove_segment_members: {
        Args: {
          p_key: string;
          p_expected_version: number;
          p_user_ids?: readonly string[];
          p_phones?: readonly string[];
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["segments"]["Row"];
      };
      remove_team_member: {
        Args: {
          p_user_id: string;
        };
        Returns: boolean;
      };
      remove_template: {
        Args: {
          p_account: string;
          p_name: string;
          p_language: string;
        };
        Returns: boolean;
      };
      remove_view: {
        Args: {
          p_id: string;
        };
        Returns: boolean;
      };
      reply_in_conversation: {
        Args: {
          p_conversation_id: string;
          p_text: string;
          p_key: string;
        };
        Returns: Json;
      };
      report_kill_switches: {
        Args: {
          p_flags: readonly string[];
        };
        Returns: null;
      };
      report_now: {
        Args: {
          p_flag_key?: string | null;
        };
        Returns: Json;
      };
      reseal_headers: {
        Args: {
          p_headers: Json;
        };
        Returns: number;
      };
      resend_deliveries: {
        Args: {
          p_destination: string;
          p_from: string;
          p_to: string;
          p_after?: string | null;
          p_limit?: number;
          p_key?: string | null;
        };
        Returns: Json;
      };
      resend_message: {
        Args: {
          p_message_id: string;
        };
        Returns: Json;
      };
      resolve_incident: {
        Args: {
          p_number: number;
          p_expected_version: number;
          p_note?: string | null;
          p_public_text?: string | null;
        };
        Returns: Database["public"]["Tables"]["incidents"]["Row"];
      };
      resolve_mails: {
        Args: {
          p_mails: Json;
        };
        Returns: Json;
      };
      resolve_unknown: {
        Args: {
          p_id: string;
          p_how: string;
          p_reason?: string | null;
        };
        Returns: Json;
      };
      resume_rollout: {
        Args: {
          p_id: string;
          p_expected_version: number;
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["rollouts"]["Row"];
      };
      retry_deliveries: {
        Args: {
          p_ids: readonly string[];
        };
        Returns: number;
      };
      reveal_contact: {
        Args: {
          p_contact_id: string;
          p_reason: string;
        };
        Returns: Json;
      };
      reveal_message: {
        Args: {
          p_message_id: string;
          p_reason: string;
        };
        Returns: Json;
      };
      revoke_gate: {
        Args: {
          p_flag_key: string;
          p_role: string;
          p_gate: string;
          p_because: string;
        };
        Returns: number;
      };
      roll_back_rollout: {
        Args: {
          p_id: string;
          p_expected_version: number;
          p_reason: string;
        };
        Returns: Database["public"]["Tables"]["rollouts"]["Row"];
      };
      rotate_destination_secret: {
        Args: {
          p_name: string;
          p_overlap_hours?: number;
        };
        Returns: Json;
      };
      save_view: {
        Args: {
          p_page: string;
          p_name: string;
          p_search: string;
          p_shared?: boolean;
        };
        Returns: Json;
      };
      schedule_notices: {
        Args: {
          p_id: string;
          p_day_0: string;
          p_notices?: Json;
        };
        Returns: Json;
      };
      schema_state: { Args: Record<never, never>; Returns: Json };
      schema_version: { Args: Record<never, never>; Returns: string };
      sealed_headers: { Args: Record<never, never>; Returns: Json };
      search_conversations: {
        Args: {
          p_query: string;
          p_limit?: number;
        };
        Returns: Json;
      };
      search_everything: {
        Args: {
          p_query: string;
          p_limit?: number;
        };
        Returns: Json;
      };
      send_template: {
        Args: {
          p_conversation_id: string;
          p_message: Json;
          p_key: string;
        };
        Returns: Json;
      };
      set_canned_reply: {
        Args: {
          p_name: string;
          p_text: string;
        };
        Returns: Json;
      };
      set_conversation_desk: {
        Args: {
          p_conversation_id: string;
          p_changes: Json;
        };
        Returns: Json;
      };
      set_destination: {
        Args: {
          p_name: string;
          p_version: number;
          p_changes: Json;
        };
        Returns: Json;
      };
      set_destination_headers: {
        Args: {
          p_name: string;
          p_headers: Json;
          p_by: string;
        };
        Returns: Json;
      };
      set_destination_state: {
        Args: {
          p_name: string;
          p_state: string;
        };
        Returns: Json;
      };
      set_escalation: {
        Args: {
          p_severity: string;
          p_steps: Json;
        };
        Returns: Database["public"]["Tables"]["escalation_steps"]["Row"][];
      };
      set_flag: {
        Args: {
          p_key: string;
          p_changes: Json;
          p_expected_version: number;
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["settings"]["Row"];
      };
      set_identity: {
        Args: {
          p_id: string;
          p_changes: Json;
        };
        Returns: Json;
      };
      set_notification_state: {
        Args: {
          p_name: string;
          p_state: string;
        };
        Returns: Database["public"]["Tables"]["notification_endpoints"]["Row"];
      };
      set_number_pace: {
        Args: {
          p_id: string;
          p_max_per_second: number;
          p_pair_seconds: number;
          p_pair_burst: number;
        };
        Returns: Database["public"]["Views"]["wa_numbers"]["Row"];
      };
      set_opt_out: {
        Args: {
          p_to: string;
          p_opted_out?: boolean;
          p_number_id?: string | null;
          p_channel?: string;
        };
        Returns: Json;
      };
      set_route: {
        Args: {
          p_id: string;
          p_version: number;
          p_changes: Json;
        };
        Returns: Json;
      };
      set_segment: {
        Args: {
          p_key: string;
          p_description: string;
          p_expected_version: number;
        };
        Returns: Database["public"]["Tables"]["segments"]["Row"];
      };
      set_setting: {
        Args: {
          p_key: string;
          p_value: string;
          p_metadata: Json;
          p_expected_version: number;
          p_reason?: string | null;
        };
        Returns: Database["public"]["Tables"]["settings"]["Row"];
      };
      set_team_member: {
        Args: {
          p_user_id: string;
          p_role: string;
          p_approvals?: readonly string[] | null;
        };
        Returns: Database["public"]["Tables"]["team_members"]["Row"];
      };
      settle_deliveries: {
        Args: {
          p_results: Json;
          p_claim?: Json;
        };
        Returns: Json;
      };
      settle_media: {
        Args: {
          p_message_id: string;
          p_lease: string;
          p_outcome: string;
          p_path?: string | null;
          p_bytes?: number | null;
          p_error?: string | null;
          p_retry_after_ms?: number | null;
        };
        Returns: boolean;
      };
      settle_notifications: {
        Args: {
          p_results: Json;
        };
        Returns: number;
      };
      settle_outbound: {
        Args: {
          p_results: Json;
        };
        Returns: Json;
      };
      settle_password_attempt: {
        Args: {
          p_code: string;
          p_client: string;
          p_right: boolean;
        };
        Returns: null;
      };
      settle_status_posts: {
        Args: {
          p_results: Json;
        };
        Returns: number;
      };
      settle_storage_purges: {
        Args: {
          p_objects: Json;
        };
        Returns: number;
      };
      sign_gate: {
        Args: {
          p_flag_key: string;
          p_role: string;
          p_gate?: string;
          p_note?: string | null;
          p_applies?: boolean;
          p_signer?: string | null;
        };
        Returns: Database["public"]["Tables"]["gate_approvals"]["Row"];
      };
      skip_deliveries: {
        Args: {
          p_ids: readonly string[];
        };
        Returns: number;
      };
      stale_flags: {
        Args: {
          p_now?: string;
        };
        Returns: {
          key: string;
          why: string;
          since: string;
        }[];
      };
      start_announcement: {
        Args: {
          p_id: string;
          p_expected_version: number;
        };
        Returns: Json;
      };
      start_rollout: {
        Args: {
          p_id: string;
          p_expected_version: number;
          p_reason?: string | null;
          p_gates?: Json;
        };
        Returns: Database["public"]["Tables"]["rollouts"]["Row"];
      };
      status: { Args: Record<never, never>; Returns: Json };
      status_page: { Args: Record<never, never>; Returns: Json };
      stop_announcement: {
        Args: {
          p_id: string;
          p_expected_version: number;
          p_reason?: string | null;
        };
        Returns: Json;
      };
      store_templates: {
        Args: {
          p_account: string;
          p_templates: Json;
          p_whole: boolean;
        };
        Returns: Json;
      };
      switch_off: {
        Args: {
          p_key: string;
          p_reason: string;
        };
        Returns: number;
      };
      take_conversation: {
        Args: {
          p_conversation_id: string;
          p_minutes?: number | null;
          p_by?: string | null;
        };
        Returns: Json;
      };
      take_password_attempt: {
        Args: {
          p_code: string;
          p_client?: string | null;
        };
        Returns: Json;
      };
      take_rate: {
        Args: {
          p_key: string;
          p_rate: number;
          p_burst: number;
          p_cost?: number;
        };
        Returns: Json;
      };
      take_uses: {
        Args: {
          p_wanted: Json;
        };
        Returns: Json;
      };
      tell_accounts: {
        Args: {
          p_senders: Json;
        };
        Returns: null;
      };
      template_by_id: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      test_notification_endpoint: {
        Args: {
          p_name: string;
        };
        Returns: Json;
      };
      trace_mail: {
        Args: {
          p_message_id: string;
        };
        Returns: Json;
      };
      trace_message: {
        Args: {
          p_message: string;
        };
        Returns: Json;
      };
      update_incident: {
        Args: {
          p_number: number;
          p_expected_version: number;
          p_changes?: Json;
          p_note?: string | null;
          p_public_text?: string | null;
        };
        Returns: Database["public"]["Tables"]["incidents"]["Row"];
      };
      update_link: {
        Args: {
          p_code: string;
          p_version: number;
          p_link: Json;
          p_actor: string;
        };
        Returns: Json;
      };
      upload_to_send: {
        Args: {
          p_id: string;
          p_number_id: string;
        };
        Returns: Json;
      };
      watch: { Args: Record<never, never>; Returns: boolean };
      watch_rollout: {
        Args: {
          p_id: string;
        };
        Returns: Json;
      };
      who_blocks: { Args: Record<never, never>; Returns: Json };
      whoami: { Args: Record<never, never>; Returns: Json };
    };
  };
};
