namespace Portmap;

/// <summary>
/// What an acquisition does about the port its owner had before: the one the registry remembers, or
/// <see cref="PortRequest.Previous"/>.
/// </summary>
/// <remarks>
/// Gluster reversed this choice four times, so it is a policy and never hard-coded.
/// </remarks>
public enum PortReuse
{
    /// <summary>
    /// Each start gets a new port; an earlier, dead entry is only cleaned up. The default, and what
    /// Gluster's patch 13865 did.
    /// </summary>
    Fresh = 0,

    /// <summary>The earlier port if it can be had, otherwise a new one.</summary>
    Prefer = 1,

    /// <summary>
    /// The earlier port or a refusal that names the holder. Any, where the owner has no earlier port,
    /// or where the one that the registry remembers is not handed out any more. By the option it holds
    /// for leases of an earlier run as well, by a request for those of its run.
    /// </summary>
    Require = 2,
}
