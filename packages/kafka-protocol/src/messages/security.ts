// Message layouts: Authentication, SCRAM credentials, delegation tokens and ACLs. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import { type ApiLayout, NEVER } from '../layout.ts';

export const securityLayouts: readonly ApiLayout[] = [
  {
    key: 17,
    name: 'SaslHandshake',
    versions: [0, 1],
    flexibleFrom: NEVER,
    request: `
      mechanism: string
    `,
    response: `
      errorCode: int16
      mechanisms: [string]
    `,
  },
  {
    key: 36,
    name: 'SaslAuthenticate',
    versions: [0, 2],
    flexibleFrom: 2,
    request: `
      authBytes: bytes
    `,
    response: `
      errorCode: int16
      errorMessage: string?
      authBytes: bytes
      sessionLifetimeMs: int64 1+
    `,
  },
  {
    key: 29,
    name: 'DescribeAcls',
    versions: [1, 3],
    flexibleFrom: 2,
    request: `
      resourceTypeFilter: int8
      resourceNameFilter: string?
      patternTypeFilter: int8 = 3
      principalFilter: string?
      hostFilter: string?
      operation: int8
      permissionType: int8
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string?
      resources: [struct] {
        resourceType: int8
        resourceName: string
        patternType: int8 = 3
        acls: [struct] {
          principal: string
          host: string
          operation: int8
          permissionType: int8
        }
      }
    `,
  },
  {
    key: 30,
    name: 'CreateAcls',
    versions: [1, 3],
    flexibleFrom: 2,
    request: `
      creations: [struct] {
        resourceType: int8
        resourceName: string
        resourcePatternType: int8 = 3
        principal: string
        host: string
        operation: int8
        permissionType: int8
      }
    `,
    response: `
      throttleTimeMs: int32
      results: [struct] {
        errorCode: int16
        errorMessage: string?
      }
    `,
  },
  {
    key: 31,
    name: 'DeleteAcls',
    versions: [1, 3],
    flexibleFrom: 2,
    request: `
      filters: [struct] {
        resourceTypeFilter: int8
        resourceNameFilter: string?
        patternTypeFilter: int8 = 3
        principalFilter: string?
        hostFilter: string?
        operation: int8
        permissionType: int8
      }
    `,
    response: `
      throttleTimeMs: int32
      filterResults: [struct] {
        errorCode: int16
        errorMessage: string?
        matchingAcls: [struct] {
          errorCode: int16
          errorMessage: string?
          resourceType: int8
          resourceName: string
          patternType: int8 = 3
          principal: string
          host: string
          operation: int8
          permissionType: int8
        }
      }
    `,
  },
  {
    key: 38,
    name: 'CreateDelegationToken',
    versions: [1, 3],
    flexibleFrom: 2,
    request: `
      ownerPrincipalType: string? 3+
      ownerPrincipalName: string? 3+
      renewers: [struct] {
        principalType: string
        principalName: string
      }
      maxLifetimeMs: int64
    `,
    response: `
      errorCode: int16
      principalType: string
      principalName: string
      tokenRequesterPrincipalType: string 3+
      tokenRequesterPrincipalName: string 3+
      issueTimestampMs: int64
      expiryTimestampMs: int64
      maxTimestampMs: int64
      tokenId: string
      hmac: bytes
      throttleTimeMs: int32
    `,
  },
  {
    key: 39,
    name: 'RenewDelegationToken',
    versions: [1, 2],
    flexibleFrom: 2,
    request: `
      hmac: bytes
      renewPeriodMs: int64
    `,
    response: `
      errorCode: int16
      expiryTimestampMs: int64
      throttleTimeMs: int32
    `,
  },
  {
    key: 40,
    name: 'ExpireDelegationToken',
    versions: [1, 2],
    flexibleFrom: 2,
    request: `
      hmac: bytes
      expiryTimePeriodMs: int64
    `,
    response: `
      errorCode: int16
      expiryTimestampMs: int64
      throttleTimeMs: int32
    `,
  },
  {
    key: 41,
    name: 'DescribeDelegationToken',
    versions: [1, 3],
    flexibleFrom: 2,
    request: `
      owners: [struct]? {
        principalType: string
        principalName: string
      }
    `,
    response: `
      errorCode: int16
      tokens: [struct] {
        principalType: string
        principalName: string
        tokenRequesterPrincipalType: string 3+
        tokenRequesterPrincipalName: string 3+
        issueTimestamp: int64
        expiryTimestamp: int64
        maxTimestamp: int64
        tokenId: string
        hmac: bytes
        renewers: [struct] {
          principalType: string
          principalName: string
        }
      }
      throttleTimeMs: int32
    `,
  },
  {
    key: 50,
    name: 'DescribeUserScramCredentials',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      users: [struct]? {
        name: string
      }
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string?
      results: [struct] {
        user: string
        errorCode: int16
        errorMessage: string?
        credentialInfos: [struct] {
          mechanism: int8
          iterations: int32
        }
      }
    `,
  },
  {
    key: 51,
    name: 'AlterUserScramCredentials',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      deletions: [struct] {
        name: string
        mechanism: int8
      }
      upsertions: [struct] {
        name: string
        mechanism: int8
        iterations: int32
        salt: bytes
        saltedPassword: bytes
      }
    `,
    response: `
      throttleTimeMs: int32
      results: [struct] {
        user: string
        errorCode: int16
        errorMessage: string?
      }
    `,
  },
];
