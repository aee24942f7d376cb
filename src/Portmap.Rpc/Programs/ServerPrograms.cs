using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Programs;

/// <summary>What a server answers for: its own programs, and the host's beside them.</summary>
internal static class ServerPrograms
{
    /// <exception cref="ArgumentException">Two programs have one number and version.</exception>
    public static ProgramTable Of(ServerContext context, IEnumerable<IRpcProgram> hosts) => new(
        [new PortmapProgram(context), new GlusterPortmapProgram(context.Registry, context.Logger), new GfDumpProgram(), .. hosts.Select(RpcProgram.Of)]);
}
