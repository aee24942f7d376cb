using System.Diagnostics;
using Portmap;

namespace ManagementDaemon.Workers;

/// <summary>A child process and the lease it runs under.</summary>
internal sealed record Worker(string Program, PortLease Lease, Process Process)
{
    public string Owner => Lease.Owner;
}
