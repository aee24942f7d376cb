using System.Globalization;
using Microsoft.Extensions.Logging;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Programs;

/// <summary>
/// Gluster Portmap 34123456 v1 as GlusterFS' unmodified programs speak it. Its words (brick,
/// sign-in, sign-out) are used here only.
/// </summary>
internal sealed class GlusterPortmapProgram(PortRegistry registry, ILogger logger)
    : RpcProgram(number: 34_123_456, version: 1, "Gluster Portmap")
{
    private const uint PortByBrick = 1;
    private const uint BrickByPort = 2;
    private const uint SignIn = 4;
    private const uint SignOut = 5;

    /// <summary>A brick's second listener, under the name that glusterfsd gives it.</summary>
    private const string RdmaSuffix = ".rdma";

    public override string NameOf(uint procedure) => procedure switch
    {
        PortByBrick => "PORTBYBRICK",
        BrickByPort => "BRICKBYPORT",
        SignIn => "SIGNIN",
        SignOut => "SIGNOUT",
        _ => base.NameOf(procedure),
    };

    public override ValueTask<bool> InvokeAsync(RpcConnection connection, RpcCall request, CancellationToken cancellationToken)
    {
        switch (request.Procedure)
        {
            case PortByBrick:
                AnswerPort(request);
                return ValueTask.FromResult(true);
            case BrickByPort:
                AnswerBrick(request);
                return ValueTask.FromResult(true);
            case SignIn:
                return SignInAsync(connection, request);
            case SignOut:
                return SignOutAsync(connection, request);
            default:
                return ValueTask.FromResult(false);
        }
    }

    // The one call that clients repeat for ever: no string is made.
    private void AnswerPort(RpcCall request)
    {
        Span<char> buffer = stackalloc char[OwnerName.MaxBytes];
        bool isName = OwnerName.TryDecode(request.ReadOpaque(int.MaxValue), buffer, out ReadOnlySpan<char> brick);
        int port = 0;
        bool isFound = isName && registry.TryGetPort(brick, out port);
        request.Outcome = isName ? CallOutcome.Answered : CallOutcome.Refused;
        request.WriteInt32(isFound ? 0 : -1);
        request.WriteInt32(isName ? 0 : GlusterErrno.Invalid);
        request.WriteInt32(0);
        request.WriteInt32(isFound ? port : 0);
    }

    private void AnswerBrick(RpcCall request)
    {
        int port = request.ReadInt32();
        bool isPort = IsPort(port);
        request.Outcome = isPort ? CallOutcome.Answered : CallOutcome.Refused;
        PortEntry entry = default;
        bool isFound = isPort && registry.TryGetEntry(port, out entry) && entry.State == PortState.Bound;
        request.WriteInt32(isFound ? 0 : -1);
        request.WriteInt32(isPort ? 0 : GlusterErrno.Invalid);
        request.WriteInt32(0);
        request.WriteString(isFound ? entry.Owner : string.Empty);
    }

    private async ValueTask<bool> SignInAsync(RpcConnection connection, RpcCall request)
    {
        try
        {
            ReadOnlySpan<byte> name = request.ReadOpaque(int.MaxValue);
            int port = request.ReadInt32();
            int claimedProcessId = request.RemainingBytes >= 4 ? request.ReadInt32() : 0; // clients before v6 send none
            string brick = OwnerText.Decode(name);
            connection.Peer.DemandChange(brick);
            await connection.Sessions.RegisterAsync(new PortClaimRequest(brick, port), claimedProcessId).ConfigureAwait(false);
            WriteResult(request, 0, 0);
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal);
        }

        return true;
    }

    private async ValueTask<bool> SignOutAsync(RpcConnection connection, RpcCall request)
    {
        try
        {
            ReadOnlySpan<byte> name = request.ReadOpaque(int.MaxValue);
            int port = request.ReadInt32();
            int rdmaPort = request.RemainingBytes >= 4 ? request.ReadInt32() : 0;
            string brick = OwnerText.Decode(name);
            if (!IsPort(port) || (rdmaPort != 0 && !IsPort(rdmaPort)))
            {
                Refuse(connection, request, InvalidPort(brick, IsPort(port) ? rdmaPort : port));
                return true;
            }

            connection.Peer.DemandChange(brick);
            await connection.Sessions.ReleaseAsync(new PortClaimRequest(brick, port)).ConfigureAwait(false);
            if (rdmaPort != 0)
            {
                await connection.Sessions.ReleaseAsync(new PortClaimRequest(brick + RdmaSuffix, rdmaPort)).ConfigureAwait(false);
            }

            WriteResult(request, 0, 0);
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal);
        }

        return true;
    }

    private static PortRefusal InvalidPort(string brick, int port) => new(
        PortRefusalReason.InvalidPort,
        string.Create(CultureInfo.InvariantCulture, $"Nothing was signed out for '{brick}': {port} is not in 1..65535; name the port that was signed in."))
    { Owner = brick };

    private void Refuse(RpcConnection connection, RpcCall request, PortRefusal refusal)
    {
        request.Outcome = CallOutcome.Refused;
        Log.Refused(logger, connection.Peer.Name, refusal);
        WriteResult(request, -1, GlusterErrno.Of(refusal.Reason));
    }

    private static void WriteResult(RpcCall request, int result, int errno)
    {
        request.WriteInt32(result);
        request.WriteInt32(errno);
    }

    private static bool IsPort(int port) => port is >= 1 and <= 65535;
}
