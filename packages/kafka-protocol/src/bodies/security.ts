// Types of decoded bodies: Authentication, SCRAM credentials, delegation tokens and ACLs. Fields that a version does not have hold their default.
import type { Int64 } from '../wire.ts';

export interface SaslHandshakeRequest {
  mechanism: string;
}

export interface SaslHandshakeResponse {
  errorCode: number;
  mechanisms: string[];
}

export interface SaslAuthenticateRequest {
  authBytes: Buffer;
}

export interface SaslAuthenticateResponse {
  errorCode: number;
  errorMessage: string | null;
  authBytes: Buffer;
  sessionLifetimeMs: Int64;
}
