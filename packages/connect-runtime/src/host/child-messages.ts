// What the worker and a process that runs plug-ins of others say to each other, beside what every task host says.
import type { Plugin } from '@millrace/connect-api';
import type { LeaseEnds } from '../lease.ts';
import type { PluginPackage } from '../plugin-packages/package-folder.ts';
import type { FromThread, LogLevels, ToThread } from './messages.ts';

/** Where the process finds a plug-in of a package. */
export interface PluginPlace {
  readonly kind: Plugin['kind'];
  readonly className: string;
  readonly aliases: readonly string[];
  readonly version: string | null;
  readonly package: PluginPackage;
}

/** What a process is started with. */
export interface ChildData {
  /** URL of a module that exports `pluginEntries`, the plug-ins that come with Millrace; null = none. */
  readonly pluginsModule: string | null;
  readonly places: readonly PluginPlace[];
  readonly lease: LeaseEnds;
  readonly logLevels: LogLevels;
  readonly memoryMb: number;
}

export type ToChild =
  | ToThread
  | { readonly type: 'init'; readonly data: ChildData }
  | { readonly type: 'ping' }
  | { readonly type: 'lease'; readonly ends: LeaseEnds }
  | {
      readonly type: 'call';
      readonly request: number;
      readonly method: string;
      readonly args: readonly unknown[];
    };

/** An error, as plain data. */
export interface ErrorData {
  readonly message: string;
  readonly code: string | null;
  readonly configKey?: string | undefined;
  readonly hint?: string | undefined;
  readonly javaClass?: string | undefined;
  readonly stack: string;
  readonly cause?: ErrorData | undefined;
}

export type FromChild =
  | FromThread
  | { readonly type: 'ready' }
  | { readonly type: 'pong' }
  /** It dies of this error. */
  | { readonly type: 'dying'; readonly error: ErrorData }
  | {
      readonly type: 'result';
      readonly request: number;
      readonly value?: unknown;
      readonly error?: ErrorData;
    }
  | { readonly type: 'reconfigure'; readonly instance: number }
  | { readonly type: 'raise'; readonly instance: number; readonly error: ErrorData };
