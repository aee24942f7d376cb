using System.Globalization;

namespace Portmap.Rpc.Serving;

/// <summary>
/// A program as a connection calls it. The server's own ones see the connection; a host's sees the
/// call only.
/// </summary>
internal abstract class RpcProgram(uint number, uint version, string name)
{
    /// <summary>The program number (RFC 5531 §8.2).</summary>
    public uint Number => number;

    public uint Version => version;

    /// <summary>The name by which GF-DUMP lists it.</summary>
    public string Name => name;

    /// <summary>What stands for every procedure that has no name of its own.</summary>
    public const string UnknownProcedure = "Unknown";

    /// <summary>The name of a procedure that there is, for who counts calls.</summary>
    public virtual string NameOf(uint procedure) => procedure == 0 ? "NULL" : procedure.ToString(CultureInfo.InvariantCulture);

    public static RpcProgram Of(IRpcProgram program) => new HostProgram(program);

    /// <inheritdoc cref="IRpcProgram.InvokeAsync"/>
    /// <param name="connection">The connection over which the call came.</param>
    /// <param name="request">The call.</param>
    /// <param name="cancellationToken">Fires when the connection has ended.</param>
    public abstract ValueTask<bool> InvokeAsync(RpcConnection connection, RpcCall request, CancellationToken cancellationToken);

    private sealed class HostProgram(IRpcProgram program) : RpcProgram(program.Number, program.Version, program.Name)
    {
        /// <summary>How many procedures are told apart. Which ones there are only the program knows,
        /// and a peer may make up any.</summary>
        private const uint Named = 256;

        public override string NameOf(uint procedure) => procedure < Named ? base.NameOf(procedure) : UnknownProcedure;

        public override ValueTask<bool> InvokeAsync(RpcConnection connection, RpcCall request, CancellationToken cancellationToken) =>
            program.InvokeAsync(request, cancellationToken);
    }
}
