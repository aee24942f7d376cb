namespace Portmap.Rpc.Tests.Fuzzing.Controls;

/// <summary>A mistake that a codec of this kind is known to make.</summary>
public enum CodecBug
{
    /// <summary>None: the copy is right, and what the detector says about the others is about their
    /// bugs.</summary>
    None,

    /// <summary>A length is checked against the whole buffer instead of the record.</summary>
    ReadsPastTheEnd,

    /// <summary>Memory is taken for a length that was only announced.</summary>
    TrustsLengths,

    /// <summary>An empty fragment is not used up.</summary>
    StandsStill,

    /// <summary>A length is not checked at all, and the runtime's own exception gets out.</summary>
    LetsExceptionsOut,

    /// <summary>A record mark that arrives in two pieces is begun again.</summary>
    ForgetsAcrossPieces,
}
