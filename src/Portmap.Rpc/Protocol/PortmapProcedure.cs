namespace Portmap.Rpc.Protocol;

/// <summary>The program of <c>portmap.x</c>.</summary>
internal static class PortmapProcedure
{
    public const uint Program = 0x2050_4D50;
    public const uint Version = 1;

    public const uint Null = 0;
    public const uint Acquire = 1;
    public const uint Register = 2;
    public const uint BindFailed = 3;
    public const uint Release = 4;
    public const uint Lookup = 5;
    public const uint List = 6;
    public const uint WaitForChange = 7;
    public const uint LookupPort = 8;
    public const uint AcquireAll = 9;
    public const uint Extend = 10;
    public const uint AcquireFleet = 11;
    public const uint AcquireUnlessServed = 12;

    /// <summary>The arm of a result union that holds what was asked for.</summary>
    public const int Ok = 0;

    /// <summary>The arm that holds a refusal.</summary>
    public const int Refused = 1;

    /// <summary>How many requests one ask may have.</summary>
    public const int MaxTogether = 256;

    /// <summary>"What the options say" in the reuse of an acquisition.</summary>
    public const int DefaultReuse = -1;

    /// <summary>The name of a procedure in <c>portmap.x</c>.</summary>
    public static string NameOf(uint procedure) => procedure switch
    {
        Null => "PORTMAP_NULL",
        Acquire => "PORTMAP_ACQUIRE",
        Register => "PORTMAP_REGISTER",
        BindFailed => "PORTMAP_BIND_FAILED",
        Release => "PORTMAP_RELEASE",
        Lookup => "PORTMAP_LOOKUP",
        List => "PORTMAP_LIST",
        WaitForChange => "PORTMAP_WAIT_FOR_CHANGE",
        LookupPort => "PORTMAP_LOOKUP_PORT",
        AcquireAll => "PORTMAP_ACQUIRE_ALL",
        Extend => "PORTMAP_EXTEND",
        AcquireFleet => "PORTMAP_ACQUIRE_FLEET",
        AcquireUnlessServed => "PORTMAP_ACQUIRE_UNLESS_SERVED",
        _ => $"procedure {procedure}",
    };
}
