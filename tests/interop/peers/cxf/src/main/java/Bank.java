import az.eherrac.peer.*;
import jakarta.xml.ws.BindingProvider;
import java.io.FileInputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.Map;
import org.apache.cxf.endpoint.Client;
import org.apache.cxf.frontend.ClientProxy;
import org.apache.cxf.ws.security.wss4j.WSS4JInInterceptor;
import org.apache.cxf.ws.security.wss4j.WSS4JOutInterceptor;
import org.apache.wss4j.common.crypto.Merlin;
import org.apache.wss4j.dom.handler.WSHandlerConstants;

/**
 * A bank by Apache CXF, its classes generated from our WSDL. WSS4J signs Body and Timestamp, and verifies our answers
 * and faults against our authorities. One JSON line a step.
 *   Bank ADDRESS KEYS.p12 FOLDER-OF-AUTHORITIES SIGNATURE-ALGORITHM 1.1|1.2
 */
public class Bank {
    static GatewayPort port;

    public static void main(String[] arguments) throws Exception {
        String address = arguments[0];
        GatewayService service = new GatewayService(new URL(address + "?wsdl"));
        port = arguments[4].equals("1.2") ? service.getGatewaySoap12() : service.getGatewaySoap11();
        Map<String, Object> context = ((BindingProvider) port).getRequestContext();
        context.put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY, address);
        // SOAP 1.2 gives a sender's fault the status 400; CXF reads its body only when it is told to.
        context.put("org.apache.cxf.transport.process_fault_on_http_400", "true");
        secure(ClientProxy.getClient(port), crypto(arguments[1], Path.of(arguments[2])), arguments[3]);

        ListOffers list = new ListOffers();
        list.setMessageId("c-1");
        String found = "";
        for (Offer offer : port.listOffers(list).getOffer()) found += offer.getId() + " " + offer.getState();
        System.out.println("{\"step\": \"listed\", \"said\": \"" + found + "\"}");
        decide("c-2");
        decide("c-3");
    }

    static void decide(String id) {
        Account payer = new Account();
        payer.setHolder("Xəzər Nümunə Bankı");
        payer.setIban("AZ85XZRN38010000000000090001");
        payer.setBic("XZRNAZ22");
        DecideOffer decision = new DecideOffer();
        decision.setMessageId(id);
        decision.setOfferId("L1.offer");
        decision.setDecision(Decision.ACCEPT);
        decision.setDecidedBy("Ə. Ğ. <cxf>");
        decision.setPayer(payer);
        try {
            System.out.println("{\"step\": \"decided\", \"said\": \"" + port.decideOffer(decision).getInReplyTo() + "\"}");
        } catch (Problem_Exception problem) {
            System.out.println("{\"step\": \"refused\", \"said\": \"" + problem.getFaultInfo().getCode() + "\"}");
        }
    }

    static Merlin crypto(String keys, Path authorities) throws Exception {
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(new FileInputStream(keys), "x".toCharArray());
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        int count = 0;
        for (String name : new String[] {"anchors.pem", "intermediates.pem"})
            try (var in = Files.newInputStream(authorities.resolve(name))) {
                for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(in))
                    trusted.setCertificateEntry("ca" + count++, one);
            }
        Merlin crypto = new Merlin();
        crypto.setKeyStore(own);
        crypto.setTrustStore(trusted);
        return crypto;
    }

    static void secure(Client client, Merlin crypto, String algorithm) {
        Map<String, Object> out = new HashMap<>();
        out.put(WSHandlerConstants.ACTION, "Timestamp Signature");
        out.put(WSHandlerConstants.USER, "key");
        out.put(WSHandlerConstants.SIG_PROP_REF_ID, "crypto");
        out.put("crypto", crypto);
        out.put(WSHandlerConstants.SIG_KEY_ID, "DirectReference");
        out.put(WSHandlerConstants.SIG_ALGO, algorithm);
        out.put(WSHandlerConstants.SIG_DIGEST_ALGO, "http://www.w3.org/2001/04/xmlenc#sha256");
        out.put(WSHandlerConstants.SIGNATURE_PARTS, "{Element}{" + WSU + "}Timestamp;{}{}Body");
        out.put(WSHandlerConstants.PW_CALLBACK_REF, (javax.security.auth.callback.CallbackHandler) asked -> {
            for (var one : asked)
                if (one instanceof org.apache.wss4j.common.ext.WSPasswordCallback wanted) wanted.setPassword("x");
        });
        client.getOutInterceptors().add(new WSS4JOutInterceptor(out));

        Map<String, Object> in = new HashMap<>();
        in.put(WSHandlerConstants.ACTION, "Timestamp Signature");
        in.put(WSHandlerConstants.SIG_VER_PROP_REF_ID, "crypto");
        in.put("crypto", crypto);
        in.put(WSHandlerConstants.IS_BSP_COMPLIANT, "true");
        client.getInInterceptors().add(new WSS4JInInterceptor(in));
        client.getInFaultInterceptors().add(new WSS4JInInterceptor(in));
    }

    static final String WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
}
